"""course: a tunnel whose figures stay the same for long, judged only at instants at which that could change anything.

For simulations and for tests of policies: a series of health is a row of courses, and hours of one cost no more than
seconds. The probes are not drawn by lot: of a loss of 5 % every twentieth is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from policies.health.judge import judge
from policies.health.memory import HealthMemory, remember
from policies.health.suspicion import ALLOWANCE, PAUSE, SPACING, Wish
from policies.health.window import LEAST
from policies.model.clock import Instant
from policies.model.health import Damping, HealthLimits, HealthState, Limit, Metric, Samples

SHORTEST_STEP = 0.25
"""Seconds between two looks while the state is about to change."""
LONGEST_STEP = 3600.0
TOLD_TOGETHER = 25
"""Probes of a burst whose fates are told together."""
ANSWER_TAKES = 0.1
"""Seconds between a probe of a burst and what is told of it, beside the round trip."""


@dataclass(frozen=True, slots=True)
class Course:
    """A Course is the figures of a tunnel that stay so: loss as a share, `rtt`, `jitter` and `interval` in seconds."""

    loss: float = 0.0
    rtt: float = 0.020
    jitter: float = 0.0
    interval: float = 0.1

    def samples(self, begins: float, ends: float) -> Samples:
        """What regular probes told between two instants."""
        first, last = floor(begins / self.interval), floor(ends / self.interval)
        return self._told(begins, ends, first, last - first, burst=False)

    def burst(self, wish: Wish, done: int, sent: int) -> Samples:
        """What is told of the next `sent` probes of a burst of which `done` have been told."""
        begins = wish.asked + done * SPACING
        first = floor(wish.asked / SPACING) + done
        return self._told(begins, begins + (sent - 1) * SPACING, first, sent, burst=True)

    def is_within(self, limit: Limit, usual_rtt: float | None) -> bool:
        """Whether it keeps a limit for ever."""
        match limit.metric:
            case Metric.LOSS:
                return self.loss <= limit.value
            case Metric.JITTER:
                return self.jitter <= limit.value
            case Metric.RTT:
                return self.rtt <= limit.value + (usual_rtt or 0.0) or (limit.above_usual and usual_rtt is None)

    def _told(self, begins: float, ends: float, first: int, sent: int, *, burst: bool) -> Samples:
        lost = floor((first + sent) * self.loss) - floor(first * self.loss)
        return Samples(Instant(begins), Instant(ends), sent, lost, self._round_trips(sent - lost), burst)

    def _round_trips(self, answered: int) -> tuple[float, ...]:
        if answered <= 0:
            return ()
        if not self.jitter:
            return (self.rtt,) * min(answered, LEAST)
        low = max(self.rtt - self.jitter / 2, 0.0)
        return (low, low + self.jitter) * max(min(answered, 2 * LEAST) // 2, 1)


def advance(
    memory: HealthMemory,
    course: Course,
    limits: HealthLimits,
    damping: Damping | None,
    failing: tuple[str, ...],
    *,
    now: Instant,
    until: Instant,
) -> tuple[HealthMemory, Instant]:
    """The tunnel at the next instant at which its state has changed, or at `until` where that is sooner.

    Bursts are sent as they are wished for, and come back.
    """
    state = memory.view.state
    wish = memory.judged.wish if memory.judged is not None else None
    while now < until:
        # Of a course that keeps the limits a burst tells nothing new, the less in pieces.
        together = int(ALLOWANCE) if _keeps(course, limits.degraded_when_any, memory) else TOLD_TOGETHER
        then = Instant(min(until, _next(memory, course, limits, wish, together, now)))
        memory = remember(memory, course.samples(now, then))
        if wish is not None:
            memory = _told_of_burst(memory, course, wish, together, then)
        memory, wish = judge(memory, limits, damping, failing, then)
        now = then
        if memory.view.state is not state:
            break
    return memory, now


def _next(
    memory: HealthMemory, course: Course, limits: HealthLimits, wish: Wish | None, together: int, now: Instant
) -> float:
    """The next instant at which anything could be new, if the course goes on."""
    if wish is not None and not memory.is_dead:
        done = _done(memory, wish)
        return max(_back(wish, done + min(together, wish.burst - done), course), now + 1e-6)
    return next_look(memory, course, limits, now)


def next_look(memory: HealthMemory, course: Course, limits: HealthLimits, now: Instant) -> float:
    """The next instant at which regular probes could change anything, if the course goes on and no burst comes back."""
    soon = now + max(SHORTEST_STEP, course.interval)
    if memory.is_dead:
        return now + LONGEST_STEP
    if memory.degraded is not None:
        return _return(memory.degraded.since, memory, course, limits, now)
    if memory.view.state is HealthState.UNKNOWN or not _keeps(course, limits.degraded_when_any, memory):
        return soon
    asked = memory.suspicion.wish if memory.suspicion is not None else None
    again = asked.asked + PAUSE if asked is not None else now
    return again if again > now else now + LONGEST_STEP


def _return(since: Instant, memory: HealthMemory, course: Course, limits: HealthLimits, now: Instant) -> float:
    if not _keeps(course, (*limits.degraded_when_any, *limits.healthy_when_all), memory):
        return now + LONGEST_STEP
    longest = max((limit.over.total_seconds() for limit in limits.healthy_when_all), default=0.0)
    earliest = max(since, memory.alive_since) + longest
    return earliest if earliest > now else now + max(SHORTEST_STEP, course.interval, longest / 20)


def _keeps(course: Course, limits: tuple[Limit, ...], memory: HealthMemory) -> bool:
    return all(course.is_within(limit, memory.usual.rtt) for limit in limits)


def _told_of_burst(memory: HealthMemory, course: Course, wish: Wish, together: int, now: Instant) -> HealthMemory:
    while (done := _done(memory, wish)) < wish.burst:
        part = min(together, wish.burst - done)
        if _back(wish, done + part, course) > now:
            break
        memory = remember(memory, course.burst(wish, done, part))
    return memory


def _done(memory: HealthMemory, wish: Wish) -> int:
    return round(memory.window.bursts(wish.asked).count().sent)


def _back(wish: Wish, sent: int, course: Course) -> float:
    """When so many of its probes have been told of."""
    return wish.asked + sent * SPACING + course.rtt + ANSWER_TAKES
