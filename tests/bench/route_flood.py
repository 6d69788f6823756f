"""100,000 routes coming in: the longest time between two BFD packets that the forwarder sends meanwhile."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from bench_links import Links, Orders, forwarding_class, in_namespace, prefixes, set_classes, until

INTERVAL_MS = 50
QUIET = 4.0
"""Seconds of nothing, for comparison."""
_EVERYTHING = 0x0003
"""ETH_P_ALL: only so are packets seen that leave (packet(7))."""
_SO_TIMESTAMPNS = 35
_BFD_PORT = struct.pack("!H", 3784)


@dataclass
class Flood:
    """A Flood is the gaps between two BFD packets of one tunnel, milliseconds, in each part of the run."""

    routes: int
    branches: int
    longest: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    lateness_ms: dict[str, float] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether no packet was late by more than one interval."""
        return all(gap <= 2 * INTERVAL_MS for gap in self.longest.values())

    def __str__(self) -> str:
        parts = [
            f"{part} {gap:.1f} ms (loop late by {self.lateness_ms[part]:.1f} ms; took {self.took[part]:.1f} s)"
            for part, gap in self.longest.items()
        ]
        return f"{self.routes} routes in {self.branches} classes; longest time between two packets: {'; '.join(parts)}"


class Watcher:
    """A Watcher notes when each BFD packet passes the far ends of the tunnels, by the kernel's clock."""

    def __init__(self, links: Links, interval_ms: int = INTERVAL_MS) -> None:
        with in_namespace(links.far):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERYTHING))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.1)
        self._before = 2 * interval_ms * 1_000_000
        self._arrivals: dict[str, list[int]] = {}
        self._left: list[int] = []
        self._going = True
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def gaps(self, since: int, until_ns: int) -> list[float]:
        """Milliseconds between two packets that the hub sent, of every tunnel, between these instants
        (CLOCK_REALTIME, nanoseconds)."""
        gaps = []
        for arrivals in list(self._arrivals.values()):
            inside = [at for at in arrivals if since - self._before <= at <= until_ns]
            gaps += [(b - a) / 1e6 for a, b in itertools.pairwise(inside) if b >= since]
        return gaps

    def outgoing(self, since: int, until_ns: int) -> int:
        """How many packets the far ends sent meanwhile."""
        return sum(since <= at <= until_ns for at in self._left)

    def close(self) -> None:
        self._going = False
        self._thread.join()
        self._socket.close()

    def _work(self) -> None:
        while self._going:
            try:
                data, ancillary, _flags, address = self._socket.recvmsg(128, 64)
            except TimeoutError:
                continue
            if data[9] != socket.IPPROTO_UDP or data[22:24] != _BFD_PORT:
                continue
            stamp = next((struct.unpack("qq", value) for _l, kind, value in ancillary if kind == _SO_TIMESTAMPNS), None)
            if stamp is None:
                continue
            at = stamp[0] * 1_000_000_000 + stamp[1]
            if address[2] == socket.PACKET_OUTGOING:
                self._left.append(at)
            else:
                self._arrivals.setdefault(address[0], []).append(at)


def flood(routes: int, branches: int) -> Flood:
    """Give a forwarder so many prefixes in so many classes, once it has its tunnels up; then others, and a failover."""
    result = Flood(routes, branches)
    with Links(f"pm-flood-{os.getpid()}", 2 * branches, INTERVAL_MS) as links:
        links.start_far_bird()
        links.start_forwarder()
        orders = Orders(links.socket)
        names = [f"branch{number}" for number in range(branches)]
        tunnels = [links.tunnel(number, names[number // 2]) for number in range(2 * branches)]
        orders.say({"set": "tunnels", "tunnels": tunnels})
        until(lambda: links.sessions_up() == 2 * branches, "all sessions at their rate")
        until(lambda: all(each["state"] == "up" for each in orders.status()["tunnels"]), "all tunnels up")
        each = routes // branches
        sets = {
            "few": [prefixes(10, 20 * n) for n in range(branches)],
            "many": [prefixes(each, each * n) for n in range(branches)],
            "half": [prefixes(each // 2, each * n) for n in range(branches)],
        }
        watcher = Watcher(links)

        def part(name: str, wanted: str | None) -> None:
            time.sleep(2.2)  # the forwarder's own figure of its lateness is of the last second or two
            begun, since = time.monotonic(), time.time_ns()
            if wanted is None:
                time.sleep(QUIET)
            else:
                orders.forget()
                orders.say(_line(names, sets[wanted]))
                _wait_installed(orders, names, sets[wanted])
            result.took[name] = time.monotonic() - begun
            time.sleep(0.5)
            result.longest[name] = max(watcher.gaps(since, time.time_ns()), default=0.0)
            result.lateness_ms[name] = orders.status()["counters"]["loop lateness, microseconds"] / 1000

        part("nothing happens", None)
        part("a few routes", "few")
        part("they come in", "many")
        part("told again", "many")
        part("nothing happens after", None)
        part("half of them go", "half")
        watcher.close()
        orders.close()
    return result


def _line(names: list[str], held: list[list[str]]) -> dict[str, object]:
    classes = [
        forwarding_class(name, (f"{name}/{2 * n}", f"{name}/{2 * n + 1}"), held[n]) for n, name in enumerate(names)
    ]
    return set_classes(classes)


def _wait_installed(orders: Orders, names: list[str], held: list[list[str]]) -> None:
    for name, wanted in zip(names, held, strict=True):

        def there(each: dict[str, object], name: str = name, size: int = len(wanted)) -> bool:
            return each["name"] == name and bool(each["installed"]) and len(each["prefixes"]) == size  # type: ignore[arg-type]

        while not orders.find("class", there):
            if not any(s["name"] == name and there(s) for s in orders.status()["classes"]):
                time.sleep(0.2)
                continue
            break
