"""health: what tunnels would be called by other limits, from what is remembered of them. Pure.

The judge itself is asked again. Where only a burst of probes could confirm what the figures say, that is foreseen by
letting the tunnel go on as it is: expected then, not certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from policies.figures import metric_words
from policies.health.against import Sizes, against
from policies.health.course import Course, advance
from policies.health.judge import SHOWN, judge
from policies.health.limits import LEAST_LOST
from policies.health.memory import HealthMemory
from policies.health.window import Window, figures
from policies.model.clock import Instant, Now
from policies.model.health import HealthLimits, HealthState, HealthView, Limit, Metric
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Tunnel
from policies.model.view import LivenessState, View

Memories = Mapping[TunnelId, HealthMemory]
AHEAD = 300.0
"""Seconds for which a tunnel is taken to go on as it is."""
A_MINUTE = 60.0
_INTERVAL = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A Foreseen is a tunnel's health by other limits: `now`, and `then`, `after` so many seconds, if that is another.

    `because` is what is bad of it, in two words, like `2.4 % loss`; "" when nothing is.
    """

    now: HealthView
    then: HealthView | None = None
    after: float = 0.0
    because: str = ""


def foreseen(branch: Branch, memories: Memories, sizes: Sizes, view: View, now: Now) -> Mapping[TunnelId, Foreseen]:
    """The health of every tunnel of the branch by the branch's limits; of what was never measured nothing is said."""
    failing = against(branch, view, sizes, now.monotonic)
    return {
        tunnel.id: _foreseen(branch, tunnel, memories[tunnel.id], failing.get(tunnel.id, ()), view, now.monotonic)
        for tunnel in branch.tunnels
        if tunnel.id in memories and tunnel.id in view.liveness
    }


def _foreseen(
    branch: Branch, tunnel: Tunnel, memory: HealthMemory, failing: tuple[str, ...], view: View, now: Instant
) -> Foreseen:
    limits, damping = branch.limits_of(tunnel), branch.damping_of(tunnel)
    # When it last ceased to be degraded is known to the view alone.
    recovered = view.health_of(tunnel.id).recovered
    judged, _ = judge(memory, limits, damping, failing, now)
    present = replace(judged.view, recovered=recovered)
    course = _course(judged.window.settled(), tunnel)
    because = ", ".join((*_too_much(course, limits, judged), *failing)) if course is not None else ", ".join(failing)
    settled = memory.judged is not None and memory.judged.still_holds(limits, damping, failing, memory.view, now)
    if course is None or settled or failing or view.liveness_of(tunnel.id).state is not LivenessState.UP:
        return Foreseen(present, because=because)
    if not because and present.state is not HealthState.DEGRADED:
        # Its share of losses is within the limits: a few that fall together do not count.
        return Foreseen(present)
    later, at = advance(judged, course, limits, damping, failing, now=now, until=Instant(now + AHEAD))
    if later.view.state is present.state:
        return Foreseen(present, because=because)
    return Foreseen(present, later.view, at - now, because)


def _course(window: Window, tunnel: Tunnel) -> Course | None:
    """The tunnel as it is; None where it is not known. Of a few lost probes no share is made."""
    lately, minute = figures(window, SHOWN), figures(window, A_MINUTE)
    if lately.rtt is None:
        return None
    losses = [0.0]
    for seconds, found in ((SHOWN, lately), (A_MINUTE, minute)):
        if found.loss and window.count(window.end - seconds).lost >= LEAST_LOST:
            losses.append(found.loss)
    interval = tunnel.liveness.probed_every(in_use=True) or _INTERVAL
    return Course(max(losses), lately.rtt, lately.jitter or 0.0, interval.total_seconds())


def _too_much(course: Course, limits: HealthLimits, memory: HealthMemory) -> Iterator[str]:
    """What is more than a limit; where it is degraded, also what is more than a limit to return."""
    over = limits.degraded_when_any
    if memory.view.state is HealthState.DEGRADED:
        over = (*over, *limits.healthy_when_all)
    said = {limit.metric: _amount(limit.metric, course) for limit in over if _is_over(course, limit, memory)}
    yield from said.values()


def _is_over(course: Course, limit: Limit, memory: HealthMemory) -> bool:
    return not course.is_within(limit, memory.usual.rtt)


def _amount(metric: Metric, course: Course) -> str:
    match metric:
        case Metric.LOSS:
            return f"{metric_words(metric, course.loss)} loss"
        case Metric.RTT:
            return metric_words(metric, course.rtt)
        case Metric.JITTER:
            return f"{metric_words(metric, course.jitter)} jitter"
