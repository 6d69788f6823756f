"""The controller as a process: configuration in, loop and adapters wired by hand, signals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hub.bgp.passwords import with_digests
from hub.bgp.reload import Site
from hub.bgp.speakers import Speakers
from hub.config import Configuration, read
from hub.config.applied import in_force, put_in_force, stage
from hub.config.leaving import resumed
from hub.config.provenance import GoneBack, read_provenance
from hub.config.starting import put_back, staged_back
from hub.control.lock import AlreadyRunningError, hold
from hub.control.log import say_at_once
from hub.control.places import Places
from hub.controller.change_asks import ChangeAsks
from hub.controller.changing import Changing
from hub.controller.confirming import Confirming
from hub.controller.fates import FateWatch
from hub.controller.forwarded import Forwarded
from hub.controller.forwarder import ForwarderLink
from hub.controller.health_file import HealthFile
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.notifying import Notifying
from hub.controller.outer_paths import OuterPaths
from hub.controller.record import Record
from hub.controller.server import ControlServer
from hub.controller.traffic import Traffic
from hub.controller.tunnel_changes import TunnelChanges
from hub.controller.tunnels import Tunnels
from hub.controller.usual_asks import UsualAsks
from hub.lab_overrides import LabOverrides, add_arguments, from_options, overridden
from hub.observe.observer import Observer
from hub.overrides.asks import OverrideAsks
from hub.overrides.keeper import OverridesKeeper
from hub.scripts.scripts import Scripts
from policies.model.intent import Intent
from policies.transition import Transition
from speaker.priority import give_way_when_busy

SWITCH_SECONDS = 0.001
"""How long a thread that reads files or makes a plan may keep the interpreter from the loop."""


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; 0 when asked to stop, 1 when the configuration is wrong."""
    options = _parser().parse_args(arguments)
    give_way_when_busy()
    sys.setswitchinterval(SWITCH_SECONDS)
    places = Places(options.config, options.run_dir, options.state_dir)
    overrides = from_options(options)
    try:
        hold(places.run / "control.lock", "a controller")
        change = first(places, overrides)
        if change is None:
            return 1
        asyncio.run(_serve(places, change, overrides))
    except (OSError, AlreadyRunningError) as error:
        say_at_once(f"pointsman: controller: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hub.controller", description="The controller, alone.")
    parser.add_argument("--config", type=Path, required=True, help="the configuration directory")
    parser.add_argument("--run-dir", type=Path, required=True, help="the directory of the sockets")
    parser.add_argument("--state-dir", type=Path, required=True, help="the directory of the state")
    add_arguments(parser)
    return parser


def first(places: Places, overrides: LabOverrides) -> Transition | None:
    """What was in force before, as far as a change had come; else what the files say, which is in force from here on.

    None after saying what is wrong with the files. What is wrong with what was in force is said too.
    """
    read_copy = read_of(places, overrides)
    kept = in_force(places.config, places.state)
    if kept is not None:
        copy = read_copy(kept, kept)
        if copy.intent is not None:
            return _resumed(kept, copy.intent)
        if (back := _gone_back(kept, copy, places, read_copy)) is not None:
            return Transition(back, back)
        _say_unusable(kept, copy, places)
    staged = _staged(places)
    configuration = read_copy(staged or places.config, places.config)
    for problem in configuration.problems:
        _say_problem(str(problem))
    if configuration.intent is None:
        return None
    if staged is not None:
        _put_in_force(staged, places)
    return Transition(configuration.intent, configuration.intent)


def _gone_back(
    kept: Path, copy: Configuration, places: Places, read_copy: Callable[[Path, Path], Configuration]
) -> Intent | None:
    """What was in force before, if what is was never confirmed; it is in force from here on."""
    try:
        found = staged_back(places.config, places.state)
        if found is None:
            return None
        staged, was = found
        before = read_copy(staged, places.config)
        if before.intent is None:
            return None
        why = "it cannot be used any more, and nobody had confirmed it"
        for problem in copy.problems:
            _say_problem(f"{kept}/{problem}")
        gone_back = GoneBack(read_provenance(kept).plan, why)
        say_at_once(f"pointsman: controller: going back from configuration {gone_back.plan}: {why}")
        put_back(staged, was, gone_back, datetime.now(UTC))
    except OSError as error:
        _say_not_kept(error, places)
        return None
    return before.intent


def _say_unusable(kept: Path, copy: Configuration, places: Places) -> None:
    """It is no longer accepted, or was damaged. Without a hub all would be worse than with what the files say."""
    for problem in copy.problems:
        _say_problem(f"{kept}/{problem}")
    say_at_once(
        f"pointsman: controller: {kept} was in force and cannot be used any more: {places.config} is in force from "
        f'here on, if it has no errors; compare the two, then "pointsman check {places.config}"'
    )


def _say_problem(problem: str) -> None:
    for line in problem.splitlines():
        say_at_once(line)


def _resumed(kept: Path, intent: Intent) -> Transition:
    try:
        return resumed(kept, intent)
    except (OSError, ValueError) as error:
        say_at_once(f"pointsman: controller: {error}: what it names is removed at once")
        return Transition(intent, intent)


def _staged(places: Places) -> Path | None:
    try:
        return stage(places.config, places.state)
    except OSError as error:
        _say_not_kept(error, places)
        return None


def _put_in_force(staged: Path, places: Places) -> None:
    try:
        put_in_force(staged)
    except OSError as error:
        _say_not_kept(error, places)


def _say_not_kept(error: OSError, places: Places) -> None:
    where = f"{error.filename or places.state}: {error.strerror}"
    say_at_once(f"pointsman: controller: {where}: a restarted controller will read {places.config}")


def read_of(places: Places, overrides: LabOverrides) -> Callable[[Path, Path], Configuration]:
    """What reads a directory, a copy of the second one: with the overrides and the passwords' digests in the intent."""

    def read_copy(directory: Path, origin: Path) -> Configuration:
        configuration = read(directory, origin=origin)
        if configuration.intent is None:
            return configuration
        intent = with_digests(overridden(configuration.intent, overrides), places.secrets)
        return replace(configuration, intent=intent)

    return read_copy


async def _serve(places: Places, change: Transition, overrides: LabOverrides) -> None:
    """Wire the parts and run them until a signal.

    forwarder.sock <-> ForwarderLink --+           +-- ControlServer <-> control.sock
                                       +--> Loop --+
    exabgp-1.sock  <-> Speakers -------+           +-- Record -> standard error
    exabgp-2.sock ...  <-+     +-- OverridesKeeper <-> controller.db
    provisioner.sock <-> Tunnels (what is to be made; what verification finds)
    targets <--------> Observer (only events)
    """
    record, intent = Record(), change.interim
    loop = Loop(intent, record, str(places.config), str(places.state))
    speakers = Speakers(intent, places.relay_socket, loop.take, time.monotonic)
    forwarder = ForwarderLink(places.forwarder_socket, intent, loop.take, time.monotonic)
    health_file = HealthFile(places.state / "health.json", loop.health, record.say)
    health_file.read()
    paths = OuterPaths(forwarder, loop.troubles.believed, time.monotonic, record.say)
    loop.troubles.fates, loop.troubles.paths = FateWatch(places.state / "fates.json", record.say), paths.known
    neighbors = Neighbors(speakers, Site(places), loop, intent, record.say)
    read_copy, traffic = read_of(places, overrides), Traffic(loop)
    tunnels = Tunnels(places.provisioner_socket, loop, record.say)
    made = TunnelChanges(tunnels, record.say)
    changing = Changing(places.config, places.state, read_copy, loop, neighbors, record, change, traffic.daily, made)
    kept, code = changing.kept, places.state / "scripts.json"
    observer = Observer(intent, places.config, loop.take, copy=lambda: kept.copy)
    scripts = Scripts(lambda: kept.copy or places.config, code, record.say, lambda _: loop.adjust())
    loop.attach(speakers, forwarder, observer, scripts)
    keeper = OverridesKeeper(places.controller_state, loop, record.say, Forwarded(forwarder))
    await keeper.start()
    confirming = Confirming(changing, loop, record)
    asks, usual = ChangeAsks(changing, confirming), UsualAsks(loop, health_file, record.say)
    gc.collect()
    gc.freeze()
    notifying, stopping = Notifying(places.control_socket), _stop_signals(changing)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(part.run(), name=type(part).__name__)
            for part in (
                ControlServer(places.control_socket, loop, asks, record.say, OverrideAsks(keeper, loop), usual),
                keeper,
                forwarder,
                speakers,
                neighbors,
                changing,
                observer,
                scripts,
                health_file,
                loop.troubles,
                paths,
                traffic,
                tunnels,
                confirming,
                notifying,
                loop,
            )
        ]
        await stopping.wait()
        notifying.stopping()
        for task in tasks:
            task.cancel()


def _stop_signals(changing: Changing) -> asyncio.Event:
    """What is set when a signal asks to stop; SIGHUP has the files applied."""
    stopping, running = asyncio.Event(), asyncio.get_running_loop()
    running.add_signal_handler(signal.SIGTERM, stopping.set)
    running.add_signal_handler(signal.SIGINT, stopping.set)
    running.add_signal_handler(signal.SIGHUP, changing.ask)
    return stopping
