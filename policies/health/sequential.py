"""sequential: a test that tells a bad tunnel from chance with as few probes as can be.

Wald's sequential probability ratio test (Annals of Mathematical Statistics 16, 1945), begun anew whenever the tunnel
looks good (Page's cumulative sum, Biometrika 41, 1954): the highest sum of log likelihood ratios of all stretches that
end now. Losses of a bad tunnel are 25 times as frequent as those of a good one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from policies.health.window import Window, part_after
from policies.model.health import Limit, Metric

RATIO = 25.0
"""How many times as often a bad tunnel loses a probe as a good one: 5 % and 0.2 %."""
BAD = 5 / 3
"""What is bad, as a multiple of the limit: with a limit of 3 % the test asks for 5 %."""
BOUND = 18.0
"""The sum at which it is no longer chance; docs/explanation/health.md has how seldom it is wrong."""
ASK = 2.5
"""The sum from which on more probes are worth sending: one loss not long ago."""
LIKELY = BOUND / 2
"""The sum from which on they are sent whatever was spent before: a good tunnel hardly ever comes so far."""
REACH = 90.0
"""Seconds that it looks back."""


@dataclass(frozen=True, slots=True)
class LossTest:
    """A LossTest is what one lost probe adds to the sum, and what one answered probe takes from it."""

    gain: float
    cost: float

    def score(self, window: Window) -> float:
        """The highest sum of a stretch that ends with the newest sample; 0 when none is above."""
        start = window.end - REACH
        left = self.gain * sum([entry.lost for entry in window.odd if entry.ends > start])
        best = running = 0.0
        for entry in reversed(window.entries):
            # What is left of the losses can at most add their gains.
            if running + left <= best:
                break
            part = part_after(entry, start)
            running += part * (self.gain * entry.lost - self.cost * (entry.sent - entry.lost))
            left -= self.gain * entry.lost
            best = max(best, running)
        return best


def loss_test(limits: Iterable[Limit]) -> LossTest | None:
    """The test for the lowest loss that is too much; None when no loss is."""
    lowest = min((limit.value for limit in limits if limit.metric is Metric.LOSS), default=None)
    if lowest is None:
        return None
    bad = min(max(lowest * BAD, 1e-4), 0.9)
    good = bad / RATIO
    return LossTest(log(RATIO), log((1 - good) / (1 - bad)))
