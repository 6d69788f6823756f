"""One direction of a connection between two processes: in order, after a delay, and late while it is stalled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from histories.timeline import Timeline


class Pipe:
    """A Pipe carries messages in order to `receive`. What was written is read even when the writer dies."""

    __slots__ = ("_last", "_opened", "_receive", "_timeline", "latency", "stalled_until")

    def __init__(self, timeline: Timeline, latency: float, receive: Callable[[Any], None]) -> None:
        self._timeline = timeline
        self._receive = receive
        self._last = 0.0
        self._opened = 0
        self.latency = latency
        self.stalled_until = 0.0

    def open(self) -> None:
        """A new connection: what the one before still carried is lost."""
        self._opened += 1
        self._last = 0.0

    def close(self) -> None:
        """Nobody reads any more: what it still carried is lost."""
        self._opened += 1

    def send(self, message: Any) -> None:
        """Write a message."""
        self.then(lambda: self._receive(message))

    def then(self, action: Callable[[], None]) -> None:
        """Do this at the other end when all that was written is read there, as long as the connection stands."""
        opened = self._opened
        arrival = max(self._last, self._timeline.now + self.latency, self.stalled_until)
        self._last = arrival

        def arrive() -> None:
            if opened == self._opened:
                action()

        self._timeline.at(arrival, arrive)

    def stall(self, seconds: float) -> None:
        """Nothing that is written from now on arrives before so many seconds have passed."""
        self.stalled_until = max(self.stalled_until, self._timeline.now + seconds)
