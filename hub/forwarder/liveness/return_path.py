"""The return-path probe: which tunnel does a branch send through?

An echo request leaves from a hub address inside an announced prefix. The branch answers to that address, so its own
forwarding table chooses the tunnel, and the interface on which the answer arrives is what it chose. This needs no
traffic, and nothing on the branch. Each IP version has its own table, and is asked by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.model import Version
from hub.forwarder.loop import Loop

QUIET = 1_000_000_000
LOOKING = 4_000_000
LOOKING_EACH = 500_000
"""Nanoseconds between two requests of a close look at many branches: some 2,000 in a second, whatever is asked for."""
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
    """A ReturnPath asks all branches, in turn over each of their live tunnels, which one they answer by.

    The IP version is that of `echo`.
    """

    def __init__(
        self,
        loop: Loop,
        echo: EchoSocket,
        ways: Callable[[str], Sequence[Way]],
        on_path: Callable[[str, str, int, Version], None],
    ) -> None:
        self._loop = loop
        self._echo = echo
        self._ways = ways
        self._on_path = on_path
        self._source: bytes | None = None
        self._looking: frozenset[str] = frozenset()
        self._closely = LOOKING
        self._look_ends = 0
        self._probes: dict[str, _Probe] = {}

    def set_source(self, source: str | None) -> None:
        """Ask from this address of ours, of the socket's IP version; None stops asking."""
        family = socket.AF_INET if self._echo.version == 4 else socket.AF_INET6
        self._source = socket.inet_pton(family, source) if source is not None else None

    def set_branches(self, branches: frozenset[str]) -> None:
        """Ask these branches; the first requests are spread over the first second."""
        for branch in self._probes.keys() - branches:
            self._probes.pop(branch).close()
        new = sorted(branches - self._probes.keys())
        for position, branch in enumerate(new):
            self._probes[branch] = self._probe(branch, self._loop.now() + QUIET * position // len(new))

    def look(self, branches: frozenset[str]) -> None:
        """Watch these branches closely, the others once a second; of very many each one less often."""
        now = self._loop.now()
        present = sorted(branches & self._probes.keys())
        self._looking = branches
        self._closely = max(LOOKING, LOOKING_EACH * len(present))
        self._look_ends = now + LOOK_LONGEST
        for position, branch in enumerate(present):
            probe = self._probes[branch]
            probe.alarm.due(max(now + LOOKING_EACH * position, probe.asked + self._closely))

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
        now = probe.asked = self._loop.now()
        ways = [way for way in self._ways(branch) if way.live]
        if ways and self._source is not None:
            probe.turn = (probe.turn + 1) % len(ways)
            way = ways[probe.turn]
            self._echo.ask(probe.asker, source=self._source, destination=way.remote, interface=way.interface, now=now)
        closely = branch in self._looking and now < self._look_ends
        probe.alarm.due(now + (self._closely if closely else QUIET))

    def _answered(self, branch: str, answer: Answer) -> None:
        for way in self._ways(branch):
            if way.interface == answer.interface:
                self._on_path(branch, way.tunnel, answer.arrived, self._echo.version)
                return


class _Probe:
    """One branch's probe."""

    __slots__ = ("_echo", "alarm", "asked", "asker", "turn")

    def __init__(self, asker: int, alarm: Alarm, echo: EchoSocket) -> None:
        self.asker = asker
        self.alarm = alarm
        self.asked = 0
        self.turn = -1
        self._echo = echo

    def close(self) -> None:
        self.alarm.cancel()
        self._echo.part(self.asker)
