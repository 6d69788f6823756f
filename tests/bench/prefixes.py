"""Many prefixes behind one branch: what a switch takes, and what 100,000 routes coming in do to BFD.

Run by `scripts/bench prefixes`. One network for each number of prefixes and each way the kernel notifies, all at once;
the cuts go round them, so that the machine's noise falls on all alike. Every cut is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import socket
import statistics
import struct
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench_end import to_its_end
from bench_links import Links, Orders, forwarding_class, in_namespace, prefixes, set_classes, until
from route_flood import Flood, flood

from hub.forwarder.netlink import nexthops
from hub.forwarder.netlink.sockets import NEXTHOPS, Notifications

BRANCH = "bandung"
PORT = 40000
TICK = 0.001
COMPAT_ON, COMPAT_HEARD, COMPAT_OFF = "compat on", "compat on, somebody listens", "compat off"
MODES = (COMPAT_ON, COMPAT_HEARD, COMPAT_OFF)
_NUMBERS = struct.Struct("!II")


@dataclass
class Row:
    """A Row is what the switches of one network took, milliseconds; outages are of the first and the last prefix."""

    prefixes: int
    mode: str
    kernel: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    flowing: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)


class Stream:
    """A Stream sends a packet a millisecond to each of some addresses from the hub, and hears which arrive."""

    def __init__(self, links: Links, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses
        with in_namespace(links.hub):
            self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with in_namespace(links.far):
            self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._receiver.bind(("", PORT))
            self._receiver.setblocking(False)
        self._run = 0

    def start(self) -> None:
        """Begin anew."""
        self._run += 1
        self._sent: list[float] = []
        self._arrived: set[tuple[int, int]] = set()
        self._going = True
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and take what is still on its way."""
        self._going = False
        self._thread.join()
        time.sleep(0.05)
        self._take()

    def outage(self, which: int) -> tuple[float, float]:
        """(milliseconds from sending the first packet that was lost to sending the next that arrived, its instant)."""
        lost = [n for n in range(len(self._sent)) if (which, n) not in self._arrived]
        if not lost:
            return 0.0, self._sent[0]
        back = next(n for n in range(lost[0], len(self._sent)) if (which, n) in self._arrived)
        return 1000 * (self._sent[back] - self._sent[lost[0]]), self._sent[back]

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()

    def _work(self) -> None:
        due = time.monotonic()
        while self._going:
            number = len(self._sent)
            self._sent.append(time.monotonic())
            for which, address in enumerate(self._addresses):
                self._sender.sendto(_NUMBERS.pack(self._run << 8 | which, number), (address, PORT))
            self._take()
            due += TICK
            time.sleep(max(0.0, due - time.monotonic()))

    def _take(self) -> None:
        while True:
            try:
                run_and_which, number = _NUMBERS.unpack(self._receiver.recv(64))
            except BlockingIOError:
                return
            if run_and_which >> 8 == self._run:
                self._arrived.add((run_and_which & 255, number))


class Hub:
    """A Hub is one network with a forwarder that has one class of so many prefixes."""

    def __init__(self, links: Links, count: int, mode: str) -> None:
        self.row = Row(count, mode)
        self._links = links
        links.start_far_bird()
        links.start_forwarder(*(["--nexthop-compat-off"] if mode == COMPAT_OFF else []))
        if mode == COMPAT_HEARD:
            links.start(links.hub, "ip", "monitor", "route", quiet=True)
        with in_namespace(links.hub):
            self._monitor = Notifications((NEXTHOPS,))
        self._orders = Orders(links.socket)
        tunnels = [links.tunnel(number, BRANCH) for number in (0, 1)]
        self._orders.say({"set": "tunnels", "tunnels": tunnels})
        held = prefixes(count)
        names = [each["name"] for each in tunnels]
        self.wait_until_up()
        self._orders.say(set_classes([forwarding_class(BRANCH, names, held, names[0])]))
        self._orders.wait("class", lambda each: each["installed"])
        self._stream = Stream(links, tuple(prefix.split("/")[0][:-1] + "5" for prefix in _ends(held)))

    def wait_until_up(self) -> None:
        """Both tunnels up."""
        until(lambda: all(each["state"] == "up" for each in self._orders.status()["tunnels"]), "both tunnels up")
        until(lambda: self._links.sessions_up() == 2, "both sessions at their rate")

    def switch(self) -> None:
        """Cut the tunnel in use, at a random phase, and note what the switch took; then heal it."""
        self.wait_until_up()
        on = self._active()
        self._stream.start()
        time.sleep(0.1 + random.random() * 0.1)
        self._monitor.read()
        self._orders.forget()
        self._links.cut(on)
        moved = self._moved()
        at, _class = self._orders.wait("class", lambda each: each["active"].endswith(f"/{1 - on}"))
        _heard, report = self._orders.wait("liveness", lambda each: each["state"] == "down")
        time.sleep(0.1)
        self._stream.stop()
        since = report["since"]
        ends = [self._stream.outage(which) for which in (0, 1)]
        self.row.kernel.append(1000 * (moved - since))
        self.row.told.append(1000 * (at - since))
        self.row.flowing.append(1000 * (max(back for _outage, back in ends) - since))
        self.row.first.append(ends[0][0])
        self.row.last.append(ends[1][0])
        self._links.heal(on)

    def _active(self) -> int:
        """The tunnel that carries the class: a noisy machine may have moved it since the last cut."""
        return int(self._orders.status()["classes"][0]["active"].rpartition("/")[2])

    def _moved(self) -> float:
        """When the kernel said that the nexthop of the class is another."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if select.select([self._monitor], [], [], 1.0)[0]:
                at = time.monotonic()
                if any(kind == nexthops.NEW for kind, _port, _body in self._monitor.read()[0]):
                    return at
        raise SystemExit("the forwarder did not switch within 20 s")

    def close(self) -> None:
        self._stream.close()
        self._monitor.close()
        self._orders.close()


def _ends(held: list[str]) -> tuple[str, str]:
    return held[0], held[-1]


def switches(sizes: list[int], modes: list[str], rounds: int) -> list[Row]:
    """So many switches of each network, in turn."""
    with ExitStack() as stack:
        hubs = []
        for index, (count, mode) in enumerate((count, mode) for mode in modes for count in sizes):
            links = stack.enter_context(Links(f"pm-size{index}-{os.getpid()}", 2))
            hubs.append(Hub(links, count, mode))
            stack.callback(hubs[-1].close)
        for _ in range(rounds):
            for hub in random.sample(hubs, len(hubs)):
                hub.switch()
        return [hub.row for hub in hubs]


def figures(values: list[float]) -> str:
    """Median, 95th percentile and maximum."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} {ordered[int(0.95 * (len(ordered) - 1))]:.2f} {ordered[-1]:.2f}"


def show(rows: list[Row], floods: list[Flood]) -> None:
    """Print it."""
    columns = ("kernel moved", "controller told", "packets flow", "outage of first", "outage of last")
    print("milliseconds: median, 95th percentile, maximum; the first three from the forwarder's verdict on")
    print(f"{'prefixes':>8}  {'notifications':28}{'n':>4}" + "".join(f"{name:>24}" for name in columns))
    for row in rows:
        values = (row.kernel, row.told, row.flowing, row.first, row.last)
        print(f"{row.prefixes:>8}  {row.mode:28}{len(row.kernel):>4}" + "".join(f"{figures(v):>24}" for v in values))
    for each in floods:
        print(each)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench prefixes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="switches of each network (default: %(default)s)")
    parser.add_argument("--sizes", default="10,1000,10000", help="prefixes of the class (default: %(default)s)")
    parser.add_argument("--modes", default=",".join(str(n) for n in range(len(MODES))), help="; ".join(
        f"{number}: {mode}" for number, mode in enumerate(MODES)))  # fmt: skip
    parser.add_argument("--routes", type=int, default=100_000, help="that come in at once (default: %(default)s)")
    parser.add_argument("--classes", default="1,8", help="that they are in (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    return parser.parse_args()


def main() -> int:
    """Measure and print; 0 when no BFD packet came later than two intervals after the one before."""
    options = parse()
    sizes = [int(size) for size in options.sizes.split(",") if size]
    modes = [MODES[int(mode)] for mode in options.modes.split(",")]
    rows = switches(sizes, modes, options.rounds) if options.rounds else []
    floods = (
        [flood(options.routes, branches) for branches in map(int, options.classes.split(","))] if options.routes else []
    )
    print(f"{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    show(rows, floods)
    if options.json:
        content: dict[str, Any] = {"switches": [asdict(r) for r in rows], "floods": [asdict(f) for f in floods]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0 if all(each.kept for each in floods) else 1


if __name__ == "__main__":
    to_its_end(main)
