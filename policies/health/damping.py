"""damping: a tunnel that comes and goes is not returned to for a while (as RFC 2439 does with routes).

It never takes a tunnel away: it only holds back the return to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import log2

from policies.model.clock import NEVER, Instant
from policies.model.health import Damping

NEARLY = 0.9
"""The share of the limit that counts as having reached it: three times within a minute are three, though the sum has
already decayed a little."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """A Penalty is the sum of damping at an instant, and until when the tunnel is not returned to."""

    value: float = 0.0
    at: Instant = NEVER
    suppressed_until: Instant = NEVER

    def suppressed(self, now: Instant) -> bool:
        """Whether the tunnel is held back now."""
        return now < self.suppressed_until


NO_PENALTY = Penalty()


def value_at(penalty: Penalty, rule: Damping, now: Instant) -> float:
    """The sum at an instant."""
    return penalty.value * _halved(now - penalty.at, rule.half_life)


def counted(penalty: Penalty, rule: Damping | None, at: Instant) -> Penalty:
    """After the tunnel became bad or died once more.

    The sum has a ceiling, so that after the last time no more than `max_suppress` passes until it is below `reuse`.
    """
    if rule is None:
        return penalty
    at = max(at, penalty.at)
    longest = rule.max_suppress.total_seconds()
    value = min(value_at(penalty, rule, at) + 1, _ceiling(rule))
    until = penalty.suppressed_until
    if value >= rule.suppress * NEARLY or penalty.suppressed(at):
        lasts = rule.half_life.total_seconds() * max(log2(value / rule.reuse), 0.0)
        until = max(until, Instant(at + min(lasts, longest)))
    return Penalty(value, at, until)


def recalled(penalty: Penalty, rule: Damping | None, now: Instant) -> Penalty:
    """What was so before a restart. However the clock was set meanwhile, it holds back no longer than the rule says."""
    if rule is None:
        return NO_PENALTY
    at = min(penalty.at, now)
    longest = Instant(at + rule.max_suppress.total_seconds())
    return Penalty(min(penalty.value, _ceiling(rule)), at, min(penalty.suppressed_until, longest))


def _ceiling(rule: Damping) -> float:
    longest = rule.max_suppress / rule.half_life
    return max(rule.suppress, rule.reuse * 2 ** min(longest, 64.0))


def _halved(seconds: float, half_life: timedelta) -> float:
    return float(2 ** -min(max(seconds, 0.0) / half_life.total_seconds(), 1000.0))
