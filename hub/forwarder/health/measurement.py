"""The health of one tunnel: echoes through it at a regular rate, or liveness's own where those are frequent enough."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from hub.forwarder.health.far_end import FarEnd
from hub.forwarder.health.fates import Fates
from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.model import TunnelSpec
from hub.forwarder.loop import Loop


class Watched(Protocol):
    """A Watched is a tunnel as liveness sees it."""

    spec: TunnelSpec

    @property
    def interface_index(self) -> int:
        """The number of the interface; 0 while it is missing."""
        ...

    @property
    def lives(self) -> bool:
        """Whether it is up."""
        ...


class Measurement:
    """A Measurement probes one tunnel every `interval` nanoseconds while it lives; with 0 it sends nothing itself.

    `overhears`: the echoes of liveness count. `on_overdue` is called when a probe seems to be lost.
    """

    def __init__(
        self, watched: Watched, first: int, *, loop: Loop, echo: EchoSocket, on_overdue: Callable[[], None]
    ) -> None:
        self.watched = watched
        self.far_end = FarEnd(loop.now())
        self.fates = Fates(self.far_end, loop.stalls_between, learns=True)
        self.overhears = False
        self.interval = 0
        self.told_mute = False
        self.told_at = 0
        """When what seemed to be lost was told last."""
        self._loop = loop
        self._echo = echo
        self._on_overdue = on_overdue
        self._first = first
        self._due = 0
        self._lived = False
        self._asker = echo.join(self._answered)
        self._alarm = Alarm(loop, self._ask)

    def set_rate(self, interval: int, *, overhears: bool) -> None:
        """Probe at this rate from now on; a slower one begins with the next probe."""
        self.overhears = overhears
        if interval == self.interval:
            return
        now = self._loop.now()
        if not self.interval:
            self._due = max(now, self._first)
        elif interval < self.interval:
            # In its place within the interval: many that become faster at once stay spread.
            self._due = now + max(self._due - now, 0) * interval // self.interval
        self.interval = interval
        if interval:
            self._alarm.due(self._due)

    def asked(self, now: int) -> None:
        """Liveness has asked for an echo."""
        if self.overhears and self._lives(now):
            self.fates.sent(now)
            self._look(now)

    def answered(self, answer: Answer) -> None:
        """Liveness had an answer to what it asked; what did not count when it was asked does not count now."""
        self.fates.answered(answer.sent, answer.arrived)

    @property
    def is_mute(self) -> bool:
        """Whether it lives, and answers no echo."""
        return self.far_end.is_mute and self.watched.lives

    def close(self) -> None:
        """Stop."""
        self.interval = 0
        self._alarm.cancel()
        self._echo.part(self._asker)

    def _ask(self) -> None:
        if not self.interval:
            return
        now = self._loop.now()
        if now >= self._due:
            # From when it was due: being late each time would add up. What was missed is not made up for.
            self._due = max(self._due + self.interval, now + self.interval // 2)
            if self._lives(now) and ask(self._echo, self._asker, self.watched, now):
                self.fates.sent(now)
            self._look(now)
        self._alarm.due(self._due)

    def _look(self, now: int) -> None:
        if self.fates.overdue(now):
            self._on_overdue()

    def _lives(self, now: int) -> bool:
        lives = self.watched.lives
        if lives and not self._lived:
            self.far_end.began_anew(now)
        self._lived = lives
        return lives

    def _answered(self, answer: Answer) -> None:
        if is_from(answer, self.watched):
            self.fates.answered(answer.sent, answer.arrived)


def ask(echo: EchoSocket, asker: int, watched: Watched, now: int) -> bool:
    """Ask over a tunnel, and whether the kernel took it."""
    spec = watched.spec
    source, interface = socket.inet_aton(spec.local), watched.interface_index
    return echo.ask(asker, source=source, destination=spec.remote, interface=interface, now=now)


def is_from(answer: Answer, watched: Watched) -> bool:
    """Whether an answer came from the far end of this tunnel, and by it."""
    return answer.source == watched.spec.remote and answer.interface == watched.interface_index
