"""What is news: events and decisions that say something else than before, and a decision in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model.events import ClassChanged, Event, HealthChanged
from policies.model.health import HealthState
from policies.model.verdicts import Verdict
from policies.model.view import View


def changes_nothing(before: View, event: Event) -> bool:
    """Whether this only repeats, or words anew, what was said of a class or of a tunnel's health before."""
    if isinstance(event, HealthChanged):
        known, health = before.health_of(event.tunnel), event.health
        return known.state is health.state or HealthState.UNKNOWN in (known.state, health.state)
    if not isinstance(event, ClassChanged):
        return False
    was, now = before.classes.get(event.state.name), event.state
    return was is not None and (was.active, set(was.prefixes)) == (now.active, set(now.prefixes))


def word(verdict: Verdict) -> tuple[object, ...]:
    """What is told of a verdict: two with the same are no news."""
    return (verdict.active, verdict.reason, verdict.detail, *map(word, verdict.others))


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """A verdict for the log, and those for the traffic of hub prefixes that rules name."""
    on = verdict.active.name if verdict.active is not None else "no tunnel"
    detail = f" ({verdict.detail})" if verdict.detail else ""
    whose = f" from {', '.join(map(str, verdict.sources))}" if verdict.sources else ""
    would = " (observed only: would be done)" if verdict.only_said else ""
    yield f"{verdict.branch}{whose}: on {on}: {verdict.reason.value}{detail}{would}"
    for other in verdict.others:
        yield from verdict_lines(other)
