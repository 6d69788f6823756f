"""The controller as a process: configuration in, loop and adapters wired by hand, signals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
import time
from pathlib import Path

from hub.bgp.speaker import Speaker
from hub.config import read
from hub.control.lock import AlreadyRunningError, hold
from hub.control.places import Places
from hub.controller.forwarder import ForwarderLink
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.record import Record
from hub.controller.rereading import Rereading
from hub.controller.server import ControlServer
from hub.overrides import Overrides, add_arguments, from_options, overridden
from policies.model.intent import Intent


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; 0 when asked to stop, 1 when the configuration is wrong."""
    options = _parser().parse_args(arguments)
    places = Places(options.config, options.run_dir, options.state_dir)
    overrides = from_options(options)
    intent = _read(places.config, overrides)
    if intent is None:
        return 1
    try:
        hold(places.run / "control.lock", "a controller")
        asyncio.run(_serve(places, intent, overrides))
    except (OSError, AlreadyRunningError) as error:
        sys.stderr.write(f"pointsman: controller: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hub.controller", description="The controller, alone.")
    parser.add_argument("--config", type=Path, required=True, help="the configuration directory")
    parser.add_argument("--run-dir", type=Path, required=True, help="the directory of the sockets")
    parser.add_argument("--state-dir", type=Path, required=True, help="the directory of the state")
    add_arguments(parser)
    return parser


def _read(directory: Path, overrides: Overrides) -> Intent | None:
    """The intent, or None after saying what is wrong with it."""
    configuration = read(directory)
    for problem in configuration.problems:
        sys.stderr.write(f"{problem}\n")
    return overridden(configuration.intent, overrides) if configuration.intent is not None else None


async def _serve(places: Places, intent: Intent, overrides: Overrides) -> None:
    """Wire the parts and run them until a signal.

    forwarder.sock <-> ForwarderLink --+           +-- ControlServer <-> control.sock
                                       +--> Loop --+
    exabgp-1.sock  <-> Speaker --------+           +-- Record -> standard error
    """
    record = Record()
    loop = Loop(intent, record, str(places.config))
    speaker = Speaker(intent, places.relay_socket(), loop.take, time.monotonic)
    forwarder = ForwarderLink(places.forwarder_socket, intent, loop.take, time.monotonic)
    loop.attach(speaker, forwarder)
    neighbors = Neighbors(speaker, places, loop, intent, record.say)

    rereading = Rereading(lambda: _read(places.config, overrides), loop, neighbors, record, str(places.config))
    gc.collect()
    gc.freeze()
    stopping = asyncio.Event()
    running = asyncio.get_running_loop()
    running.add_signal_handler(signal.SIGTERM, stopping.set)
    running.add_signal_handler(signal.SIGINT, stopping.set)
    running.add_signal_handler(signal.SIGHUP, rereading.ask)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(part.run(), name=type(part).__name__)
            for part in (ControlServer(places.control_socket, loop), forwarder, speaker, neighbors, rereading, loop)
        ]
        await stopping.wait()
        for task in tasks:
            task.cancel()
