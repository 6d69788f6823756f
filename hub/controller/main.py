"""The controller as a process: configuration in, loop and adapters wired by hand, signals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from hub.bgp.reload import Site
from hub.bgp.speakers import Speakers
from hub.config import Configuration, read
from hub.config.applied import in_force
from hub.control.lock import AlreadyRunningError, hold
from hub.control.places import Places
from hub.controller.changing import Changing
from hub.controller.forwarder import ForwarderLink
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.record import Record
from hub.controller.server import ControlServer
from hub.overrides import Overrides, add_arguments, from_options, overridden
from policies.model.intent import Intent
from speaker.priority import give_way_when_busy


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; 0 when asked to stop, 1 when the configuration is wrong."""
    options = _parser().parse_args(arguments)
    give_way_when_busy()
    places = Places(options.config, options.run_dir, options.state_dir)
    overrides = from_options(options)
    intent = _first(places, overrides)
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


def _first(places: Places, overrides: Overrides) -> Intent | None:
    """What was in force before, else what the files say; None after saying what is wrong with them."""
    kept = in_force(places.config, places.state)
    if kept is not None and (intent := _read(kept, overrides).intent) is not None:
        return intent
    configuration = _read(places.config, overrides)
    for problem in configuration.problems:
        sys.stderr.write(f"{problem}\n")
    return configuration.intent


def _read(directory: Path, overrides: Overrides) -> Configuration:
    """What the files of a directory say, with the overrides in it."""
    configuration = read(directory)
    if configuration.intent is None:
        return configuration
    return replace(configuration, intent=overridden(configuration.intent, overrides))


async def _serve(places: Places, intent: Intent, overrides: Overrides) -> None:
    """Wire the parts and run them until a signal.

    forwarder.sock <-> ForwarderLink --+           +-- ControlServer <-> control.sock
                                       +--> Loop --+
    exabgp-1.sock  <-> Speakers -------+           +-- Record -> standard error
    exabgp-2.sock ...  <-+
    """
    record = Record()
    loop = Loop(intent, record, str(places.config))
    speakers = Speakers(intent, places.relay_socket, loop.take, time.monotonic)
    forwarder = ForwarderLink(places.forwarder_socket, intent, loop.take, time.monotonic)
    loop.attach(speakers, forwarder)
    neighbors = Neighbors(speakers, Site(places), loop, intent, record.say)

    changing = Changing(
        places.config, places.state, lambda directory: _read(directory, overrides), loop, neighbors, record
    )
    gc.collect()
    gc.freeze()
    stopping = asyncio.Event()
    running = asyncio.get_running_loop()
    running.add_signal_handler(signal.SIGTERM, stopping.set)
    running.add_signal_handler(signal.SIGINT, stopping.set)
    running.add_signal_handler(signal.SIGHUP, changing.ask)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(part.run(), name=type(part).__name__)
            for part in (
                ControlServer(places.control_socket, loop, changing),
                forwarder,
                speakers,
                neighbors,
                changing,
                loop,
            )
        ]
        await stopping.wait()
        for task in tasks:
            task.cancel()
