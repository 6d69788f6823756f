"""limits: what a window's figure says against a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from policies.figures import metric_words
from policies.health.usual import Usual
from policies.health.window import LEAST, Window
from policies.lengths import in_seconds
from policies.model.clock import Instant
from policies.model.health import HealthLimits, Limit, Metric

LEAST_LOST = 3
"""Probes that must have been lost in a window, whatever the share, for loss to be too much."""
LEAST_CONFIRMED = 10
"""Probes of a burst, below which it confirms nothing."""
SHORTEST_HORIZON = 90.0
LONGEST_GAP = 15.0
"""Seconds without a sample that a window may have and still show a tunnel healthy; a quarter of it, if that is more."""
_NEARLY = 1e-6


@dataclass(frozen=True, slots=True)
class Reading:
    """A Reading is the figure of a limit's window, beside what the limit comes to on this tunnel."""

    limit: Limit
    figure: float
    allowed: float
    start: float
    usual: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is more than the limit allows."""
        return self.figure > self.allowed * (1 + 1e-9)

    def __str__(self) -> str:
        """As `loss 6.2 % over 5 s (limit 3 %)`."""
        metric, over = self.limit.metric, in_seconds(_over(self.limit))
        allowed = metric_words(metric, self.limit.value)
        if self.usual is not None:
            allowed = f"usual {metric_words(metric, self.usual)} + {allowed}"
        return f"{metric.value} {metric_words(metric, self.figure)} over {over} (limit {allowed})"


def horizon(limits: HealthLimits) -> float:
    """How many seconds of samples are needed."""
    longest = max((_over(limit) for limit in (*limits.degraded_when_any, *limits.healthy_when_all)), default=0.0)
    return max(longest + 2 * LONGEST_GAP, SHORTEST_HORIZON + LONGEST_GAP)


def read(limit: Limit, window: Window, usual: Usual) -> Reading | None:
    """What the limit's window has. None where nothing can be said: too few probes, or what is usual is not known."""
    allowed = _allowed(limit, usual)
    if allowed is None:
        return None
    if limit.metric is Metric.LOSS and not window.odd:
        return Reading(limit, 0.0, allowed, window.end - _over(limit))
    start = window.start_of(_over(limit), answered=limit.metric is not Metric.LOSS)
    if start is None:
        return None
    figure = _figure(limit.metric, window.since(start), start)
    if figure is None:
        return None
    return Reading(limit, figure, allowed, start, usual.rtt if limit.above_usual else None)


def passed(limits: Iterable[Limit], window: Window, usual: Usual) -> list[Reading]:
    """The limits of which the window's figure is too much; for loss, at least three probes must have been lost."""
    found = []
    enough_lost = sum([entry.lost for entry in window.odd]) >= LEAST_LOST
    for limit in limits:
        if not (enough_lost if limit.metric is Metric.LOSS else _can_be_over(limit, window, usual)):
            continue
        reading = read(limit, window, usual)
        if reading is None or not reading.is_over:
            continue
        if limit.metric is not Metric.LOSS or window.count(reading.start).lost > LEAST_LOST - _NEARLY:
            found.append(reading)
    return found


def agrees(reading: Reading, burst: Window) -> bool:
    """Whether a burst says the same as the window whose figure is too much.

    Loss: two or more lost, and a share above the limit. Round trip: the median above the limit. Jitter: probes that
    are 5 ms apart differ less than those that are 100 ms apart, so that their range counts.
    """
    told = [took for entry in burst.entries for took in entry.round_trips]
    match reading.limit.metric:
        case Metric.LOSS:
            counted = burst.count()
            return counted.sent >= LEAST_CONFIRMED and counted.lost >= LEAST_LOST - 1 and counted.loss > reading.allowed
        case Metric.RTT:
            return len(told) >= LEAST and median(told) > reading.allowed
        case Metric.JITTER:
            return len(told) >= LEAST and max(told) - min(told) > reading.allowed


def confirmation(reading: Reading, burst: Window) -> str:
    """What a burst says that agrees, in words."""
    told, counted = [took for entry in burst.entries for took in entry.round_trips], burst.count()
    match reading.limit.metric:
        case Metric.LOSS:
            return f"{counted.lost:.0f} of {counted.sent:.0f} confirmation probes lost"
        case Metric.RTT:
            return f"{len(told)} confirmation probes took {metric_words(Metric.RTT, median(told))}"
        case Metric.JITTER:
            return f"{len(told)} confirmation probes differed by {metric_words(Metric.RTT, max(told) - min(told))}"


def kept(limits: HealthLimits, window: Window, usual: Usual, bad_since: Instant) -> list[Reading] | None:
    """The figures by which a degraded tunnel is healthy again, None when it is not.

    Every window must lie after the tunnel became degraded and be measured throughout, and no limit of leaving may be
    passed. Limits of which what is usual is not known do not count.
    """
    if not window.entries or passed(limits.degraded_when_any, window, usual):
        return None
    readings = []
    for limit in limits.healthy_when_all or limits.degraded_when_any:
        if _allowed(limit, usual) is None:
            continue
        reading, over = read(limit, window, usual), _over(limit)
        if reading is None or reading.is_over or reading.start < bad_since - _NEARLY:
            return None
        if window.longest_gap(reading.start) > max(LONGEST_GAP, over / 4):
            return None
        readings.append(reading)
    return readings


def _can_be_over(limit: Limit, window: Window, usual: Usual) -> bool:
    """Whether it is worth sorting: no median is above the highest value, no difference above the range."""
    start = window.start_of(_over(limit), answered=True)
    if start is None:
        return False
    told = window.since(start).round_trips()
    allowed = _allowed(limit, usual)
    if not told or allowed is None:
        return False
    return max(told) - (min(told) if limit.metric is Metric.JITTER else 0.0) > allowed


def _allowed(limit: Limit, usual: Usual) -> float | None:
    """What the limit comes to. Only of the round trip it is known what is usual."""
    if not limit.above_usual:
        return limit.value
    if limit.metric is not Metric.RTT or usual.rtt is None:
        return None
    return usual.rtt + limit.value


def _figure(metric: Metric, window: Window, start: float) -> float | None:
    match metric:
        case Metric.LOSS:
            return window.count(start).loss
        case Metric.RTT:
            return window.round_trip(start)
        case Metric.JITTER:
            return window.jitter(start)


def _over(limit: Limit) -> float:
    return limit.over.total_seconds()
