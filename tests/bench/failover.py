"""Failover measured beside BIRD and FRR: the same lab, branch, tunnels and timers, and hubs that take turns.

Run by `scripts/bench failover`, as root. What is the same for all hubs and what differs is in `failover_hubs`, how each
thing is measured in `failover_cuts` and `failover_reaction`. Every cut is kept, and there is no verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from failover_cuts import CutResult, one_cut, rounds
from failover_hubs import KINDS, USUAL
from failover_network import MOST_PREFIXES, Wanted
from failover_picture import picture
from failover_report import WAYS, Quiet, as_json, table
from failover_site import Site, place_names

from hub.lab.disturbances import Direction
from hub.lab.names import LabError, lab_place
from hub.lab.processors import processor_ticks, processor_use
from policies.lengths import read

SHORT_HUBS, SHORT_CUTS, SHORT_QUIET = "pointsman,bird,frr", 2, 2.0


@dataclass
class Measured:
    """A Measured is what has been measured so far."""

    cuts: list[CutResult] = field(default_factory=list)
    quiet: dict[str, Quiet] = field(default_factory=dict)
    idle_use: float = 0.0


def main() -> int:
    """Measure and print; 0 when every cut could be made and every outage ended."""
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    measured = Measured()
    try:
        measure(options, measured)
    except LabError as error:
        print(f"bench failover: {error}", file=sys.stderr)
        return 2 if not measured.cuts else tell(options, measured) or 2
    return tell(options, measured)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench failover", description=__doc__)
    parser.add_argument("--cuts", type=int, default=60, help="of each hub (default: %(default)s)")
    parser.add_argument("--slow-cuts", type=int, default=10, help="of a hub without BFD (default: %(default)s)")
    parser.add_argument("--hubs", default=",".join(USUAL), help=f"some of {','.join(KINDS)} (default: %(default)s)")
    parser.add_argument("--cut", choices=[way.value for way in Direction], default="both", help="which way packets die")
    parser.add_argument("--interval", type=read, default="50ms", help="of liveness (default: %(default)s)")
    parser.add_argument("--multiplier", type=int, default=3, help="of liveness (default: %(default)s)")
    parser.add_argument("--branch", choices=("bird", "frr"), default="bird", help="the branch's router")
    parser.add_argument("--liveness", choices=("bfd", "icmp"), default="bfd", help="icmp: the branch has no BFD")
    parser.add_argument("--rtt", type=float, default=0.0, help="added to both tunnels, in milliseconds")
    parser.add_argument("--prefixes", type=int, default=1, help="that the hub announces; the first one is probed")
    parser.add_argument("--quiet", type=float, default=10.0, help="seconds in which packets are counted")
    parser.add_argument("--real-time", action="store_true", help="BIRD and FRR at real-time priority too")
    parser.add_argument("--json", type=Path, help="write everything, every cut included, to this file")
    parser.add_argument("--picture", type=Path, help="write the distributions as SVG to this file")
    parser.add_argument("--seed", type=int, default=1, help="of the cuts' phases and the intervals")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_CUTS} cuts of {SHORT_HUBS}: does it still run?")
    return check(parser, parser.parse_args())


def check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    if options.short:
        options.cuts, options.hubs, options.quiet = SHORT_CUTS, SHORT_HUBS, SHORT_QUIET
    options.hubs = options.hubs.split(",")
    if unknown := [name for name in options.hubs if name not in KINDS]:
        parser.error(f'--hubs: there is no hub "{unknown[0]}": some of {",".join(KINDS)}')
    if options.liveness == "icmp" and not options.short:
        can = [name for name, kind in KINDS.items() if (kind.is_pointsman and not kind.echo) or not kind.bfd]
        options.hubs = [name for name in options.hubs if name in can]
    if not 1 <= options.prefixes <= MOST_PREFIXES:
        parser.error(f"--prefixes: from 1 to {MOST_PREFIXES}")
    if options.cuts < 1 or options.slow_cuts < 0:
        parser.error("--cuts: at least 1")
    return options


def measure(options: argparse.Namespace, measured: Measured) -> None:
    """Build a lab a hub, count packets while all are quiet, then cut them in turns."""
    wanted = Wanted(options.interval, options.multiplier, options.liveness, options.branch, options.prefixes)
    chance = random.Random(options.seed)
    with sites(options, wanted) as running:
        measured.idle_use = count_packets(running, options.quiet, measured.quiet)
        print(f"{len(running)} labs; nothing happening, {measured.idle_use:.0%} of the processors busy", flush=True)
        for number, with_slow in enumerate(rounds(options.cuts, options.slow_cuts)):
            for site in running:
                if with_slow or not site.kind.slow:
                    measured.cuts.append(one_cut(site, number, Direction(options.cut), wanted, chance))
                    print(progress(measured.cuts[-1]), file=sys.stderr, flush=True)


def progress(cut: CutResult) -> str:
    reaction = "not seen" if cut.reaction_ms is None else f"{cut.reaction_ms:.2f} ms"
    return (
        f"{cut.number:>3} {cut.hub:<16} to branch {cut.to_branch.longest_ms:6.0f} ms, "
        f"to hub {cut.to_hub.longest_ms:6.0f} ms, reaction {reaction}, well after {cut.back:.1f} s"
    )


@contextmanager
def sites(options: argparse.Namespace, wanted: Wanted) -> Iterator[list[Site]]:
    """A lab for every hub, all up and well; all taken down afterwards, whatever happens."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="failover-")))
        made = []
        for name, hub in zip(place_names(len(options.hubs)), options.hubs, strict=True):
            site = Site(KINDS[hub], lab_place(name), wanted, directory / hub)
            stack.callback(site.down)
            site.up(options.rtt, real_time=options.real_time)
            made.append(site)
        for site in made:
            site.watch()
        yield made


def count_packets(running: Sequence[Site], seconds: float, quiet: dict[str, Quiet]) -> float:
    """Let all be quiet, count what each hub sends and receives; the share of the processors that was busy."""
    time.sleep(1.0)
    ticks = processor_ticks()
    before = [(time.monotonic(), site.liveness_packets()) for site in running]
    time.sleep(seconds)
    use = processor_use(ticks)
    for site, (began, first) in zip(running, before, strict=True):
        last, took = site.liveness_packets(), time.monotonic() - began
        quiet[site.kind.name] = Quiet({kind: (last[kind] - first[kind]) / took for kind in last})
    return use


def tell(options: argparse.Namespace, measured: Measured) -> int:
    """Print the table and write the files; 1 if an outage never ended."""
    timers = f"{options.interval.total_seconds() * 1000:g} ms x {options.multiplier}"
    what = f"cut {options.cut}, {options.liveness} {timers}, branch {options.branch}, {options.prefixes} prefixes"
    what += f", rtt {options.rtt:g} ms" if options.rtt else ""
    print(f"\n{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {what}")
    print("\n".join(table(measured.cuts, measured.quiet, options.seed)))
    if options.json:
        said = {
            name: value if isinstance(value, int | float | list) else str(value)
            for name, value in vars(options).items()
        }
        said["command"] = shlex.join(["scripts/bench", "failover", *sys.argv[1:]])
        value = as_json(said, measured.cuts, measured.quiet, measured.idle_use, options.seed)
        options.json.write_text(json.dumps(value, indent=1) + "\n")
    if options.picture:
        panels = {
            name: {hub: [way(cut).longest_ms for cut in measured.cuts if cut.hub == hub] for hub in options.hubs}
            for name, way in WAYS.items()
        }
        options.picture.write_text(picture(f"Outage after a cut: {what}", panels, options.seed))
    return 0 if all(cut.ended for cut in measured.cuts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
