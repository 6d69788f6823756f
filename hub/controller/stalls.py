"""The controller's own sleep: a process that was stopped, or had no processor, finds every time limit passed.

What arrived meanwhile must be read before anything is judged by time: a branch that announced its prefixes while we
slept has not failed to announce them. So after a stall time stands still for a moment, where it stood before.
"""

from __future__ import annotations

from collections.abc import Callable

from policies.model.clock import Instant

TICK_SECONDS = 0.1
"""How often the clock is looked at."""
STALL_SECONDS = 0.3
"""From so long without a look on it was a stall."""
CATCH_UP_SECONDS = 0.5
"""How long after a stall what has arrived meanwhile may take to be read."""


class Stalls:
    """A Stalls tells the time, which stands still after a stall until what arrived meanwhile has been read."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked = clock()
        self._slept_at = self._looked
        self._awake_at = self._looked - CATCH_UP_SECONDS
        self.count = 0

    def look(self) -> None:
        """Look at the clock; to be called every `TICK_SECONDS`."""
        now = self._clock()
        if now - self._looked >= STALL_SECONDS:
            self._slept_at, self._awake_at = self._told(self._looked), now
            self.count += 1
        self._looked = now

    def now(self) -> Instant:
        """The time by which decisions are made."""
        now = self._clock()
        return self._told(self._looked if now - self._looked >= STALL_SECONDS else now)

    def _told(self, moment: float) -> Instant:
        return Instant(self._slept_at if moment - self._awake_at < CATCH_UP_SECONDS else moment)
