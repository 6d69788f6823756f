"""Steering measured beside BIRD with BFD: bad tunnels are left, planned moves lose nothing, flapping ones wait.

Run by `scripts/bench steering`, as root. Every hub has labs of its own, as in `scripts/bench failover`: one for the
rounds, and beside it one that loses 0.2 % from the beginning to the end and one whose tunnel is cut and healed. Every
round is kept.

The rounds are played with a policy that goes back after 15 s and has no damping, so that they can follow each other,
and with an absolute limit of the round trip (`--usual`: with the shipped one alone, after ten minutes of learning).
What is beside has the shipped policy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from bench_end import to_its_end
from failover_hubs import KINDS
from failover_network import PREFERRED, Wanted
from soak_record import Watchers
from steering_disturbed import DISTURBANCES, Lasting, all_disturbed, flapping, lossy
from steering_planned import PLANNED, all_planned
from steering_report import Measured, met, table
from steering_site import SHIPPED, SteeringSite, quick_policy

from hub.lab.names import LabError, lab_place
from policies.lengths import read

HUBS = ("pointsman", "bird")
SHORT_PACKETS = 1000
SHORT_MEASURES = ("loss 30 % each way", "drain", "undrain")
USUAL_PATIENCE = 15 * 60.0
STARTED = 20.0
"""Seconds after which everything has started: no death before that is held against a tunnel (`observe.STARTING`)."""
Places = dict[str, list[SteeringSite]]


def main() -> int:
    """Measure and print; 0 when Pointsman met every bar, or with `--short` when all could be measured."""
    options = parse()
    measured = Measured()
    try:
        measure(options, measured)
    except LabError as error:
        print(f"bench steering: {error}", file=sys.stderr)
        tell(options, measured)
        return 2
    except KeyboardInterrupt:
        tell(options, measured)
        raise
    tell(options, measured)
    return 0 if options.short or met(measured) else 1


def parse() -> argparse.Namespace:
    every = [*DISTURBANCES, *PLANNED]
    parser = argparse.ArgumentParser(prog="scripts/bench steering", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each measure (default: %(default)s)")
    parser.add_argument("--hubs", default=",".join(HUBS), help="some of %(default)s")
    parser.add_argument("--measures", default=",".join(every), help="none, or some of %(default)s")
    parser.add_argument("--packets", type=int, default=20_000, help="each way at a planned move (default: %(default)s)")
    parser.add_argument("--flap-minutes", type=float, default=5.0, help="0: not at all (default: %(default)s)")
    parser.add_argument("--flap-every", type=float, default=2.0, help="seconds cut, and healed (default: %(default)s)")
    parser.add_argument("--lossy-minutes", type=float, default=5.0, help="at 0.2 %%, 0: not (default: %(default)s)")
    parser.add_argument("--usual", action="store_true", help="wait until the usual round trip is known")
    parser.add_argument("--interval", type=read, default="50ms", help="of liveness (default: %(default)s)")
    parser.add_argument("--multiplier", type=int, default=3, help="of liveness (default: %(default)s)")
    parser.add_argument("--real-time", action="store_true", help="BIRD at real-time priority too")
    parser.add_argument("--json", type=Path, help="write everything, every round included, to this file")
    parser.add_argument("--seed", type=int, default=1, help="of the phases")
    parser.add_argument("--short", action="store_true", help="a round of a few: does it still run?")
    return check(parser, parser.parse_args())


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    options.hubs = options.hubs.split(",")
    options.measures = [] if options.measures == "none" else options.measures.split(",")
    if options.short:
        options.rounds, options.packets, options.measures = 1, SHORT_PACKETS, list(SHORT_MEASURES)
        options.flap_minutes = options.lossy_minutes = 0.0
    if unknown := [name for name in options.hubs if name not in HUBS]:
        parser.error(f'--hubs: there is no hub "{unknown[0]}": some of {",".join(HUBS)}')
    if unknown := [name for name in options.measures if name not in {*DISTURBANCES, *PLANNED}]:
        parser.error(f'--measures: there is no "{unknown[0]}": some of {", ".join([*DISTURBANCES, *PLANNED])}')
    if options.rounds < 1 or options.packets < 1:
        parser.error("--rounds, --packets: at least 1")
    return options


def measure(options: argparse.Namespace, measured: Measured) -> None:
    """Build the labs, play the rounds, and keep what lasts beside them."""
    stop = threading.Event()
    with freezes(measured), places(options) as sites, ThreadPoolExecutor(2 * len(options.hubs)) as pool:
        beside: list[Future[Lasting]] = []
        try:
            minutes, every = options.flap_minutes, options.flap_every
            beside += [pool.submit(flapping, site, minutes, every, stop) for site in sites["flap"]]
            beside += [pool.submit(lossy, site, options.lossy_minutes, stop) for site in sites["lossy"]]
            rounds(options, sites["rounds"], measured)
            measured.lasting += [one.result() for one in beside]
        finally:
            stop.set()


@contextmanager
def freezes(measured: Measured) -> Iterator[None]:
    """Watch for freezes of the whole machine meanwhile."""
    with tempfile.TemporaryDirectory(prefix="watchers-") as directory:
        watchers = Watchers(Path(directory))
        watchers.start()
        try:
            yield
        finally:
            measured.freezes += [freeze for freeze in watchers.freezes() if freeze.processor is None]
            watchers.stop()


def rounds(options: argparse.Namespace, sites: Sequence[SteeringSite], measured: Measured) -> None:
    """Play every measure once a round, for all hubs at once."""
    chance = random.Random(options.seed)
    if options.usual:
        wait_for_the_usual(sites)
    for number in range(options.rounds):
        for name in in_turns(options.measures):
            if name in DISTURBANCES:
                for left in all_disturbed(sites, DISTURBANCES[name], number, chance):
                    measured.left.append(left)
                    progress(f"{number} {name} {left.hub}: left {left.left}, moves {left.moves}, {left.why}")
            else:
                for moved in all_planned(sites, PLANNED[name], number, options.packets):
                    measured.planned.append(moved)
                    progress(f"{number} {name} {moved.hub}: lost {moved.lost}, {moved.moves_hub} {moved.moves_branch}")


def in_turns(names: Sequence[str]) -> Iterator[str]:
    """Disturbances apart from each other, so that each finds the hub's allowance of bursts full; orders in order."""
    disturbances = [name for name in DISTURBANCES if name in names]
    planned = [name for name in PLANNED if name in names]
    pairs: list[list[str]] = []
    for name in planned:
        # What ends on the other tunnel is followed by what goes back.
        if pairs and PLANNED[pairs[-1][-1]].end == PLANNED[name].start != PREFERRED:
            pairs[-1].append(name)
        else:
            pairs.append([name])
    for position in range(max(len(disturbances), len(pairs))):
        yield from disturbances[position : position + 1]
        yield from pairs[position] if position < len(pairs) else ()


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def wait_for_the_usual(sites: Sequence[SteeringSite]) -> None:
    """Come back when Pointsman knows the usual round trip.

    Raises:
        LabError: it does not in a quarter of an hour.
    """
    deadline = time.monotonic() + USUAL_PATIENCE
    while not all(site.usual_is_known() for site in sites if site.kind.is_pointsman):
        if time.monotonic() > deadline:
            raise LabError(f"the usual round trip is not known after {USUAL_PATIENCE:g} s")
        time.sleep(5.0)


@contextmanager
def places(options: argparse.Namespace) -> Iterator[Places]:
    """The labs that are wanted, all up and well; all taken down afterwards, whatever happens."""
    wanted = {
        "rounds": Wanted(
            options.interval, options.multiplier, policy=quick_policy(absolute=not options.usual), hold=None
        ),
        "flap": Wanted(options.interval, options.multiplier, policy=SHIPPED, hold=None),
        "lossy": Wanted(options.interval, options.multiplier, policy=SHIPPED, hold=None),
    }
    needed = {"rounds": bool(options.measures), "flap": options.flap_minutes > 0, "lossy": options.lossy_minutes > 0}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="steering-")))
        made: Places = {name: [] for name in wanted}
        for name in (name for name in wanted if needed[name]):
            for hub in options.hubs:
                place = lab_place(f"steer{os.getpid()}{name[0]}{hub[0]}")
                site = SteeringSite(KINDS[hub], place, wanted[name], directory / name / hub)
                stack.callback(site.down)
                site.up(0.0, real_time=options.real_time)
                made[name].append(site)
        for sites in made.values():
            for site in sites:
                site.watch()
        time.sleep(0.0 if options.short else STARTED)
        yield made


def tell(options: argparse.Namespace, measured: Measured) -> None:
    """Print the table and write the file."""
    timers = f"{options.interval.total_seconds() * 1000:g} ms x {options.multiplier}"
    print(f"\n{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; liveness {timers}")
    print("\n".join(table(measured)))
    if options.json:
        command = shlex.join(["scripts/bench", "steering", *sys.argv[1:]])
        machine = {"kernel": platform.release(), "processors": os.cpu_count(), "load": os.getloadavg()}
        value = {"command": command, "machine": machine, "seed": options.seed, **asdict(measured)}
        options.json.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    to_its_end(main)
