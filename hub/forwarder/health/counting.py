"""How many packets are forwarded over the tunnels that somebody watches, as before a drained one is worked on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hub.control.lines import Message
from hub.forwarder.aside import MEND, Aside, failure_text
from hub.forwarder.health.packets import Reading
from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.loop import Loop

EVERY = 250_000_000
"""Nanoseconds between two readings."""
GAP = 1_000_000_000
"""Nanoseconds without a reading after which a tunnel is counted anew: nobody knows what the kernel forgot meanwhile."""
PROBLEM, FAILED = "count:nftables", "count:failed"


@dataclass(slots=True)
class _Tunnel:
    """What was counted of one tunnel since `since`; `base` are the kernel's numbers of the last reading.

    `read` is when that was begun: of what came later nothing is known.
    """

    since: int
    read: int | None = None
    base: tuple[int, int] | None = None
    exact: bool = True
    packets_in: int = 0
    packets_out: int = 0
    last_in: int | None = None
    last_out: int | None = None

    def take(self, asked: int, now: int, found: tuple[int, int], *, exact: bool) -> None:
        """The kernel's numbers, read between these two times; they may have begun anew."""
        if self.read is None or exact != self.exact or asked - self.read > GAP:
            self.since = now
        if self.base is not None and exact == self.exact:
            more_in, more_out = (new - old if new >= old else new for new, old in zip(found, self.base, strict=True))
            self.packets_in, self.packets_out = self.packets_in + more_in, self.packets_out + more_out
            self.last_in = now if more_in else self.last_in
            self.last_out = now if more_out else self.last_out
        self.read, self.base, self.exact = asked, found, exact


class Counting:
    """A Counting has `read` called in a thread a few times a second, and tells what it found, while it is watched."""

    def __init__(
        self,
        loop: Loop,
        aside: Aside,
        read: Callable[[frozenset[str]], Reading],
        tell: Callable[[Message], None],
        on_problem: Callable[[str, str | None, str | None], None],
    ) -> None:
        self._loop = loop
        self._aside = aside
        self._read = read
        self._tell = tell
        self._on_problem = on_problem
        self._interfaces: dict[str, str] = {}
        self._tunnels: dict[str, _Tunnel] = {}
        self._reads = False
        self._alarm = Alarm(loop, self._look)

    def watch(self, interfaces: Mapping[str, str]) -> None:
        """Count over these tunnels, whose interfaces these are, and over no others."""
        if dict(interfaces) == self._interfaces:
            return
        now = self._loop.now()
        same = {name for name, interface in interfaces.items() if self._interfaces.get(name) == interface}
        self._tunnels = {name: self._tunnels[name] if name in same else _Tunnel(now) for name in interfaces}
        self._interfaces = dict(interfaces)
        if not interfaces:
            self._on_problem(PROBLEM, None, None)
            self._on_problem(FAILED, None, None)
        self._alarm.due(now)

    def _look(self) -> None:
        """Also once when there is nothing left to count: what is in the kernel has to go."""
        if self._reads:
            self._alarm.due(self._loop.now() + EVERY)
            return
        self._reads = True
        asked, wanted = self._loop.now(), frozenset(self._interfaces.values())

        def work() -> Callable[[], None]:
            reading = self._read(wanted)
            return lambda: self._found(wanted, reading, asked)

        self._aside.do(work, lambda error: self._failed(wanted, error))

    def _found(self, wanted: frozenset[str], reading: Reading, asked: int) -> None:
        self._reads = False
        self._on_problem(FAILED, None, None)
        if wanted:
            self._say_trouble(reading.trouble)
        now, exact = self._loop.now(), reading.trouble is None
        for name, tunnel in self._tunnels.items():
            found = reading.packets.get(self._interfaces[name])
            if found is not None:
                tunnel.take(asked, now, found, exact=exact)
        if self._tunnels and wanted:
            self._tell({"counted": [_counted(name, tunnel) for name, tunnel in self._tunnels.items()]})
        if self._tunnels or wanted:
            self._alarm.due(now + EVERY)

    def _failed(self, wanted: frozenset[str], error: Exception) -> None:
        self._reads = False
        if self._tunnels:
            self._on_problem(FAILED, failure_text("counting forwarded packets", error), MEND)
        if self._tunnels or wanted:
            self._alarm.due(self._loop.now() + EVERY)

    def _say_trouble(self, trouble: str | None) -> None:
        if trouble is None or not self._tunnels:
            self._on_problem(PROBLEM, None, None)
            return
        text = (
            f"nftables can't count what is forwarded ({trouble.lower()}): the interfaces' own counters are used, which "
            "have BGP and BFD in them, so a tunnel never looks idle"
        )
        self._on_problem(PROBLEM, text, "let the kernel have nf_tables (modprobe nf_tables; Linux 5.7 or later)")


def _counted(name: str, tunnel: _Tunnel) -> Message:
    return {
        "tunnel": name,
        "since": tunnel.since / 1e9,
        "read": None if tunnel.read is None else tunnel.read / 1e9,
        "in": tunnel.packets_in,
        "out": tunnel.packets_out,
        "last_in": None if tunnel.last_in is None else tunnel.last_in / 1e9,
        "last_out": None if tunnel.last_out is None else tunnel.last_out / 1e9,
        "exact": tunnel.exact,
    }
