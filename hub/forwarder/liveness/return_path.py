"""The return-path probe: which tunnel does a branch send through?

An echo request leaves from a hub address inside an announced prefix. The branch answers to that address, so its own
forwarding table chooses the tunnel, and the interface on which the answer arrives is what it chose. This needs no
traffic, and nothing on the branch.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.loop import Loop

QUIET = 1_000_000_000
LOOKING = 4_000_000
LOOK_LONGEST = 30_000_000_000
"""Nanoseconds after which a close look is given up, should nobody end it."""


@dataclass(frozen=True, slots=True)
class Way:
    """A Way is one tunnel as the probe uses it: by which interface to which address, and whether it lives."""

    tunnel: str
    interface: int
    remote: str
    live: bool


class ReturnPath:
    """A ReturnPath asks all branches, in turn over each of their live tunnels, which one they answer by."""

    def __init__(
        self,
        loop: Loop,
        echo: EchoSocket,
        ways: Callable[[str], Sequence[Way]],
        on_path: Callable[[str, str, int], None],
    ) -> None:
        self._loop = loop
        self._echo = echo
        self._ways = ways
        self._on_path = on_path
        self._source: bytes | None = None
        self._looking: frozenset[str] = frozenset()
        self._look_ends = 0
        self._probes: dict[str, _Probe] = {}

    def set_source(self, source: str | None) -> None:
        """Ask from this address of ours; None stops asking."""
        self._source = socket.inet_aton(source) if source is not None else None

    def set_branches(self, branches: frozenset[str]) -> None:
        """Ask these branches; the first requests are spread over the first second."""
        for branch in self._probes.keys() - branches:
            self._probes.pop(branch).close()
        new = sorted(branches - self._probes.keys())
        for position, branch in enumerate(new):
            self._probes[branch] = self._probe(branch, self._loop.now() + QUIET * position // len(new))

    def look(self, branches: frozenset[str]) -> None:
        """Watch these branches closely, the others once a second."""
        self._looking = branches
        self._look_ends = self._loop.now() + LOOK_LONGEST
        for branch in branches & self._probes.keys():
            self._probes[branch].alarm.due(self._loop.now())

    def close(self) -> None:
        """Stop asking."""
        self.set_branches(frozenset())

    def _probe(self, branch: str, first: int) -> _Probe:
        asker = self._echo.join(lambda answer: self._answered(branch, answer))
        alarm = Alarm(self._loop, lambda: self._ask(branch))
        alarm.due(first)
        return _Probe(asker, alarm, self._echo)

    def _ask(self, branch: str) -> None:
        probe = self._probes.get(branch)
        if probe is None:
            return
        now = self._loop.now()
        ways = [way for way in self._ways(branch) if way.live]
        if ways and self._source is not None:
            probe.turn = (probe.turn + 1) % len(ways)
            way = ways[probe.turn]
            self._echo.ask(probe.asker, source=self._source, destination=way.remote, interface=way.interface, now=now)
        closely = branch in self._looking and now < self._look_ends
        probe.alarm.due(now + (LOOKING if closely else QUIET))

    def _answered(self, branch: str, answer: Answer) -> None:
        for way in self._ways(branch):
            if way.interface == answer.interface:
                self._on_path(branch, way.tunnel, answer.arrived)
                return


class _Probe:
    """One branch's probe."""

    __slots__ = ("_echo", "alarm", "asker", "turn")

    def __init__(self, asker: int, alarm: Alarm, echo: EchoSocket) -> None:
        self.asker = asker
        self.alarm = alarm
        self.turn = -1
        self._echo = echo

    def close(self) -> None:
        self.alarm.cancel()
        self._echo.part(self.asker)
