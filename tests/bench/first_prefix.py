"""How soon a branch without BFD follows the hub when a tunnel dies: the first and the last of many hub prefixes.

Run by `scripts/bench first-prefix`. The whole hub in the example network with two branches, tegal (BIRD, no BFD) cut;
from the hub's own switch, as its kernel tells it, to the branch's kernel route of each prefix.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from bench_end import to_its_end
from bench_links import in_namespace
from bench_priority import put_others_ahead
from running_hub import RunningHub, copy_of_two_branches

from hub.config import read
from hub.forwarder.netlink import nexthops, routes
from hub.forwarder.netlink.sockets import NEXTHOPS, Notifications
from hub.lab import build, disturb
from hub.lab.names import lab_place
from hub.lab.network import HUB
from hub.lab.plan import plan
from hub.lab_overrides import TIMERS, LabOverrides, overridden

BRANCH = "tegal"
IPV4_ROUTES = 7
"""RTNLGRP_IPV4_ROUTE (linux/rtnetlink.h)."""
PATIENCE = 20.0


@dataclass
class Followed:
    """A Followed is, for each cut, milliseconds from the hub's switch to the branch's routes of three prefixes."""

    prefixes: int
    first: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)


def announced(count: int) -> list[IPv4Network]:
    """So many prefixes of the hub, in the order in which they are written: the example's own first."""
    return [IPv4Network("10.0.0.0/16"), *(IPv4Network((0xAC100000 + (n << 8), 24)) for n in range(count - 1))]


def configure(directory: Path, count: int) -> Path:
    """Two branches of the example, and so many prefixes at headquarters."""
    configuration = copy_of_two_branches(directory)
    network = configuration / "network.yaml"
    listed = "\n".join(f"    - {prefix}" for prefix in announced(count))
    text, times = re.subn(
        r"(?m)^  prefixes:.*\n(?:    - .*\n)*", f"  prefixes:\n{listed}\n", network.read_text(), count=1
    )
    if not times:
        raise SystemExit(f"there are no prefixes in {network}")
    network.write_text(text)
    return configuration


@contextmanager
def hub_with(count: int) -> Iterator[RunningHub]:
    """The lab with its hub, up and well."""
    with tempfile.TemporaryDirectory() as name:
        configuration = configure(Path(name), count)
        intent = read(configuration).intent
        if intent is None:
            raise SystemExit("the configuration has errors")
        overrides = LabOverrides(TIMERS["normal"], timedelta(seconds=2))
        place = lab_place(f"first{count}")
        try:
            lab = build.up(plan(overridden(intent, overrides)), place, configuration=configuration, overrides=overrides)
            put_others_ahead(place, lab.network.nodes())
            hub = RunningHub(lab, overrides)
            hub.wait_for(lambda report: bool(report["branches"]), "the hub's first report", 90)
            hub.wait_until_well()
            yield hub
        finally:
            build.down(place)


class Watch:
    """A Watch hears the kernels of the hub and of the branch."""

    def __init__(self, hub: RunningHub, prefixes: list[IPv4Network]) -> None:
        place = hub.lab.place
        with in_namespace(place.namespace(HUB)):
            self.hub = Notifications((NEXTHOPS,))
        with in_namespace(place.namespace(BRANCH)):
            self.branch = Notifications((IPV4_ROUTES,))
        self._wanted = {(prefix.network_address.packed, prefix.prefixlen) for prefix in prefixes}

    def forget(self) -> None:
        """What has happened until now is of no interest."""
        self.hub.read()
        self.branch.read()

    def follow(self) -> tuple[float, dict[tuple[bytes, int], float]]:
        """(when the hub moved, when the branch's route of each prefix did): the last change of each counts."""
        moved, seen, end = 0.0, dict[tuple[bytes, int], float](), time.monotonic() + PATIENCE
        while time.monotonic() < end and len(seen) < len(self._wanted):
            ready, _, _ = select.select([self.hub, self.branch], [], [], 0.1)
            at = time.monotonic()
            if self.hub in ready and any(kind == nexthops.NEW for kind, _p, _b in self.hub.read()[0]):
                moved = moved or at
            if self.branch in ready:
                found, lost = self.branch.read()
                if lost:
                    raise SystemExit("the kernel had more to tell than was read")
                for kind, _port, body in found:
                    route = routes.decode(body) if kind == routes.NEW and body[:1] == bytes([socket.AF_INET]) else None
                    if route and (route.destination, route.length) in self._wanted:
                        seen.setdefault((route.destination, route.length), at)
        if not moved or len(seen) < len(self._wanted):
            raise SystemExit(f"hub moved: {bool(moved)}; branch: {len(seen)} of {len(self._wanted)} in {PATIENCE:g} s")
        return moved, seen

    def close(self) -> None:
        self.hub.close()
        self.branch.close()


def measure(count: int, cuts: int) -> Followed:
    """So many cuts of the tunnel in use, with so many prefixes."""
    result, prefixes = Followed(count), announced(count)
    with hub_with(count) as hub:
        watch = Watch(hub, prefixes)
        # What it starts, the next hub among it, must not inherit that.
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(4))
        for _ in range(cuts):
            hub.wait_until_well()
            time.sleep(2.0 + random.random() * 0.2)
            watch.forget()
            disturb.cut(hub.lab, f"{BRANCH}/fiber")
            moved, seen = watch.follow()
            times = sorted(1000 * (at - moved) for at in seen.values())
            first = prefixes[0]
            result.first.append(1000 * (seen[first.network_address.packed, first.prefixlen] - moved))
            result.median.append(statistics.median(times))
            result.last.append(times[-1])
            disturb.heal(hub.lab)
        watch.close()
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench first-prefix", description=__doc__)
    parser.add_argument("--prefixes", default="1,1000", help="of the hub (default: %(default)s)")
    parser.add_argument("--cuts", type=int, default=20, help="for each of these numbers (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    rows = [measure(int(count), options.cuts) for count in options.prefixes.split(",")]
    print(f"{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; from the hub's switch, ms")
    for row in rows:
        print(f"{row.prefixes:>6} prefixes, {len(row.first)} cuts: first listed {_figures(row.first)}; half of them "
              f"{_figures(row.median)}; all {_figures(row.last)}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    return 0


def _figures(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} (at most {max(values):.1f})"


if __name__ == "__main__":
    to_its_end(main)
