"""The main job, measured: what the traffic notices of each kind of failure, in the example network.

Run by `scripts/bench main-job`. Every cut is kept; the machine's noise is in the figures.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from bench_end import to_its_end
from lab_world import EXAMPLE
from running_hub import RunningHub, kill

from hub.config import read
from hub.lab import build, disturb
from hub.lab.names import lab_place
from hub.lab.outages import Direction
from hub.lab.plan import plan
from hub.lab.probe import Probe
from hub.lab_overrides import TIMERS, LabOverrides, overridden

ONE_BRANCH_INTERVAL, ALL_BRANCHES_INTERVAL = 0.002, 0.010
HOLD = timedelta(seconds=2)


@dataclass
class Row:
    """A Row is one kind of failure: the outages that it caused each way, and the packets lost where none may be."""

    name: str
    to_branch: list[float] = field(default_factory=list)
    to_hub: list[float] = field(default_factory=list)
    sent: int = 0
    lost: int = 0
    never_back: int = 0

    def took(self, to_branch: Direction, to_hub: Direction) -> None:
        self.to_branch.append(to_branch.longest_ms)
        self.to_hub.append(to_hub.longest_ms)
        self.never_back += sum(not outage.ended for way in (to_branch, to_hub) for outage in way.outages)

    def kept(self, ways: Iterable[Direction]) -> None:
        for way in ways:
            self.sent += way.sent
            self.lost += way.lost


def main() -> int:
    """Measure and print; 0 when everything moved and nothing was lost where nothing may be."""
    options = parse()
    rows = measure(options.cuts, options.isp_cuts)
    load = os.getloadavg()[0]
    print(f"\n{os.uname().release}, {os.cpu_count()} cores, load {load:.1f}; liveness 50 ms x 3; median (min-max)")
    print(f"{'':44}{'hub to branch, ms':>24}{'branch to hub, ms':>24}")
    for row in rows:
        print(f"{row.name:<44}{figures(row.to_branch):>24}{figures(row.to_hub):>24}{loss(row):>26}")
    return 0 if all(row.lost == 0 and row.never_back == 0 for row in rows) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench main-job", description=__doc__)
    parser.add_argument("--cuts", type=int, default=10, help="of one branch, for each kind (default: %(default)s)")
    parser.add_argument("--isp-cuts", type=int, default=5, help="of the whole ISP (default: %(default)s)")
    return parser.parse_args()


def figures(values: list[float]) -> str:
    if not values:
        return ""
    return f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f}) n={len(values)}"


def loss(row: Row) -> str:
    back = f"{row.never_back} never came back; " if row.never_back else ""
    return f"{back}{row.lost} of {row.sent:,} lost" if row.sent else back


def measure(cuts: int, isp_cuts: int) -> list[Row]:
    intent = read(EXAMPLE).intent
    if intent is None:
        raise SystemExit("the example configuration has errors")
    overrides = LabOverrides(TIMERS["fast"], HOLD)
    place = lab_place("bench")
    try:
        network = plan(overridden(intent, overrides))
        hub = RunningHub(build.up(network, place, configuration=EXAMPLE, overrides=overrides), overrides)
        hub.wait_until_well()
        return [*cut_rows(hub, cuts), *isp_rows(hub, isp_cuts), *kill_rows(hub)]
    finally:
        build.down(place)


def cut_rows(hub: RunningHub, cuts: int) -> list[Row]:
    back = Row("failback of one branch")
    with_bfd = Row("one fiber cut, BFD")
    without = Row("one fiber cut, ICMP")
    headless = Row("one fiber cut, controller just killed")
    for _ in range(cuts):
        one_cut(hub, "bandung", with_bfd, back)
        one_cut(hub, "tegal", without, back)
        one_cut(hub, "bandung", headless, back, before=lambda: kill(hub.pid("controller")))
    apart = [abs(a - b) for a, b in zip(without.to_branch, without.to_hub, strict=True)]
    without.name += f", ways <= {max(apart, default=0):.0f} ms apart"
    return [with_bfd, without, headless, back]


def one_cut(hub: RunningHub, branch: str, row: Row, back: Row, before: Callable[[], None] = lambda: None) -> None:
    hub.wait_until_well()
    with probing(hub, [branch], ONE_BRANCH_INTERVAL) as probe:
        time.sleep(0.5 + random.random() * 0.2)
        probe.mark("cut")
        before()
        disturb.cut(hub.lab, f"{branch}/fiber")
        time.sleep(2.0)
        probe.mark("heal")
        disturb.heal(hub.lab)
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report("cut", "heal")[branch]
        row.took(seen.to_branch, seen.to_hub)
        after = probe.report("heal", "well")[branch]
        back.kept((after.to_branch, after.to_hub))


def isp_rows(hub: RunningHub, cuts: int) -> list[Row]:
    slowest, back = Row("an ISP cut under all eight, the slowest"), Row("failback of eight branches")
    for _ in range(cuts):
        hub.wait_until_well()
        with probing(hub, [], ALL_BRANCHES_INTERVAL) as probe:
            time.sleep(0.5 + random.random() * 0.2)
            probe.mark("cut")
            disturb.cut(hub.lab, "isp:telkom")
            time.sleep(2.0)
            probe.mark("heal")
            disturb.heal(hub.lab)
            hub.wait_until_well()
            probe.mark("well")
            seen = probe.report("cut", "heal").values()
            slowest.took(
                max((s.to_branch for s in seen), key=lambda way: way.longest_ms),
                max((s.to_hub for s in seen), key=lambda way: way.longest_ms),
            )
            for branch in probe.report("heal", "well").values():
                back.kept((branch.to_branch, branch.to_hub))
    return [slowest, back]


def kill_rows(hub: RunningHub) -> list[Row]:
    rows = []
    for name in ("forwarder", "exabgp-1", "relay", "controller"):
        row = Row(f"{name} killed, all tunnels up")
        hub.wait_until_well()
        with probing(hub, [], ALL_BRANCHES_INTERVAL) as probe:
            time.sleep(0.5)
            os.kill(hub.relay() if name == "relay" else hub.pid(name), signal.SIGKILL)
            time.sleep(3.0)
            hub.wait_until_well()
            probe.mark("well")
            for branch in probe.report(None, "well").values():
                row.kept((branch.to_branch, branch.to_hub))
        rows.append(row)
    return rows


class probing:  # noqa: N801 - reads as a verb
    """Send packets to these branches while the block lasts."""

    def __init__(self, hub: RunningHub, branches: list[str], interval: float) -> None:
        self._probe = Probe()
        self._start = lambda: self._probe.start(hub.lab, branches, interval)

    def __enter__(self) -> Probe:
        self._start()
        return self._probe

    def __exit__(self, *_: object) -> None:
        self._probe.stop()


if __name__ == "__main__":
    to_its_end(main)
