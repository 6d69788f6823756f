"""The virtual clock: what is going to happen, in order of time, and among equals in the order it was asked for."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from policies.model.clock import Instant

START = 1000.0


class Timeline:
    """A Timeline jumps from one event to the next; nothing takes time but what says so."""

    __slots__ = ("_count", "_queue", "events", "now")

    def __init__(self) -> None:
        self.now = Instant(START)
        self.events = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do it then, or now if that is past."""
        self._count += 1
        heapq.heappush(self._queue, (max(when, self.now), self._count, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do it so much later."""
        self.at(self.now + seconds, action)

    def run_until(self, end: float) -> None:
        """Everything up to this moment happens."""
        queue = self._queue
        while queue and queue[0][0] <= end:
            when, _, action = heapq.heappop(queue)
            self.now = Instant(when)
            self.events += 1
            action()
        self.now = Instant(max(end, self.now))
