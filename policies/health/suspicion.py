"""suspicion: when more probes are worth sending, and what came of them.

A suspicion changes nothing but what is asked. It begins with a single loss, because with ten probes a second a tunnel
that loses 5 % shows its first loss only after two seconds in the mean: waiting for the second one would take as long
again. It ends when the test is back at zero, or with a verdict. Bursts that a loss alone asks for are paid from an
allowance, so that a tunnel that always loses a little is not probed all the time; where half of what the verdict needs
is there, an empty one holds none back, and a verdict fills it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.health.window import Window
from policies.model.clock import NEVER, Instant

FIRST, NEXT = 50, 100
"""Probes of the first burst, and of those that follow one that lost some itself."""
FEW = 20
"""Probes of a burst that is asked for round trips."""
SPACING = 0.005
"""Seconds between the probes of a burst."""
GRACE = 2.0
"""Seconds after its last probe in which what a burst found must have come, or it is asked for again."""
PAUSE = 5.0
"""Seconds after which a verdict that only a burst withholds asks for another one."""
SHORT_PAUSE = 0.5
"""The same, when chance is ruled out already."""
LONGEST_PAUSE = 60.0
ALLOWANCE = 400.0
"""Probes that a tunnel may have saved up for bursts."""
ALLOWANCE_A_SECOND = 2.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A Wish asks for a burst of so many probes 5 ms apart. A new `asked` is a new wish; the same one still stands."""

    burst: int
    asked: Instant
    why: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """An Allowance is how many probes of bursts a tunnel has left at an instant."""

    left: float = ALLOWANCE
    at: Instant = NEVER

    def at_instant(self, now: Instant) -> Allowance:
        """What is left later."""
        return Allowance(min(ALLOWANCE, self.left + max(now - self.at, 0.0) * ALLOWANCE_A_SECOND), max(now, self.at))


UNUSED = Allowance()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A Suspicion is what was asked of a tunnel that looks bad, and since when it does.

    `unanswered` counts the bursts in a row of which nothing came back.
    """

    since: Instant
    wish: Wish | None = None
    unanswered: int = 0

    @property
    def deadline(self) -> Instant:
        """When the burst that was asked for must have come back."""
        if self.wish is None:
            return NEVER
        patience = GRACE * 2 ** min(self.unanswered, 5)
        return Instant(self.wish.asked + self.wish.burst * SPACING + min(patience, LONGEST_PAUSE))

    def waits(self, window: Window, now: Instant) -> bool:
        """Whether the burst that was asked for is still under way.

        One of which some fates are never known is over too; if nothing is known of it, not before its deadline.
        """
        if self.wish is None or now >= self.deadline:
            return False
        told = window.bursts(self.wish.asked)
        came = told.count().sent
        return came < self.wish.burst and not (came and any(entry.ends_burst for entry in told.entries))


def asked_again(suspicion: Suspicion, burst: int, why: str, received: float, now: Instant) -> Suspicion:
    """With another burst, after the last one came back or did not."""
    lost = suspicion.wish is not None and received == 0
    return replace(suspicion, wish=Wish(burst, now, why), unanswered=suspicion.unanswered + 1 if lost else 0)
