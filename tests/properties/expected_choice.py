"""What the reference says of rankings, rules and precedence, once more and plainly, to compare the core with.

Written from docs/reference/policy.md, not from the code: guards, then drains, switches, scripts, rules, the policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from drawn_views import Situation

from policies.model.health import HealthState
from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Tunnel
from policies.model.policy import Condition, FailbackMode, Metered, TimeWindow
from policies.model.view import LivenessState

GOOD, BAD, DRAINED, LEAVING, DEAD = range(5)


@dataclass(frozen=True, slots=True)
class Said:
    """A Said is what counts for some traffic, and who said it last."""

    prefer: tuple[str, ...]
    metered: Metered
    ignore_degraded: bool
    mode: FailbackMode
    rule: str


def said_of(situation: Situation, sources: tuple[Prefix, ...]) -> Said:
    """Script before the first rule that matches before the policy."""
    policy, script = situation.branch.policy, situation.view.adjustments.get(situation.branch.name)
    rules = [r for r in policy.rules if holds(r.when, situation, sources)]
    words = [w for w in (script, rules[0].set if rules else None) if w is not None]
    return Said(
        prefer=next((w.prefer for w in words if w.prefer is not None), policy.prefer),
        metered=next((w.metered for w in words if w.metered is not None), policy.metered),
        ignore_degraded=any(w.ignore_degraded for w in words),
        mode=rules[0].set.failback.mode if rules and rules[0].set.failback else policy.failback.mode,
        rule=rules[0].name if rules else "",
    )


def holds(when: Condition, situation: Situation, sources: tuple[Prefix, ...]) -> bool:
    """Whether all that is asked is so."""
    if when.branches and situation.branch.name not in when.branches:
        return False
    if when.hub_prefixes and not any(lies_within(source, when.hub_prefixes) for source in sources):
        return False
    wall = situation.now.wall.astimezone(ZoneInfo(situation.branch.timezone))
    if when.times and not any(open_at(window, wall) for window in when.times):
        return False
    return any(_is_meant(when, tunnel, situation) for tunnel in situation.branch.tunnels)


def open_at(window: TimeWindow, wall: datetime) -> bool:
    """By weekday and time of day; one that ends before it begins is open on the morning after."""
    clock = time(wall.hour, wall.minute, wall.second)
    if window.ends > window.begins:
        return wall.weekday() in window.days and window.begins <= clock < window.ends
    yesterday = (wall.weekday() - 1) % 7
    evening = wall.weekday() in window.days and clock >= window.begins
    return evening or (yesterday in window.days and clock < window.ends)


def _is_meant(when: Condition, tunnel: Tunnel, situation: Situation) -> bool:
    view = situation.view
    dead = view.liveness_of(tunnel.id).state is LivenessState.DOWN
    asked = [
        (when.tunnels, {tunnel.id.name}),
        (when.kinds, {tunnel.uplink.kind}),
        (when.isps, {tunnel.uplink.isp, tunnel.hub_uplink.isp}),
        (when.hub_uplinks, {tunnel.hub_uplink.name}),
        (when.health, {view.health_of(tunnel.id).state}),
        ({when.down} - {None}, {dead}),
        ({when.drained} - {None}, {tunnel.id in drained(situation)}),
    ]
    return all(not wanted or wanted & found for wanted, found in asked)


def drained(situation: Situation) -> frozenset[TunnelId]:
    """What operators have drained."""
    return situation.view.overridden(situation.branch.name).drained


def fitness(situation: Situation, tunnel: TunnelId, *, ignore_degraded: bool = False) -> int:
    """The smaller the fitter."""
    view = situation.view
    if view.liveness_of(tunnel).state is not LivenessState.UP:
        return DEAD
    if tunnel in situation.branch.leaving:
        return LEAVING
    if tunnel in drained(situation):
        return DRAINED
    return BAD if view.health_of(tunnel).state is HealthState.DEGRADED and not ignore_degraded else GOOD


def expected_order(situation: Situation, sources: tuple[Prefix, ...]) -> list[TunnelId]:
    """The tunnels from the one that must carry in the end to the last."""
    said = said_of(situation, sources)
    switched = situation.view.overridden(situation.branch.name).switched
    by_name = sorted(situation.branch.tunnels, key=lambda t: t.id.name)

    def place(tunnel: Tunnel) -> tuple[object, ...]:
        fit = fitness(situation, tunnel.id, ignore_degraded=said.ignore_degraded)
        dear = tunnel.uplink.metered and tunnel.id != switched
        last = said.metered is Metered.LAST_RESORT and dear and fit in (GOOD, BAD)
        group = GOOD if said.metered is Metered.LAST_RESORT and fit == BAD else fit
        figures = situation.view.health_of(tunnel.id).figures
        loss, rtt = figures.loss or 0.0, figures.rtt or 0.0
        worse = (_steps(loss, (0.05, 0.1, 0.2, 0.4)), _steps(rtt, (0.15, 0.3, 0.6, 1.2))) if fit == BAD else (0, 0)
        metered = dear and said.metered is not Metered.ALLOWED
        return (group, last, fit, worse, tunnel.id != switched, metered, _place(tunnel, said.prefer))

    return [tunnel.id for tunnel in sorted(by_name, key=place)]  # type: ignore[arg-type]


def _steps(figure: float, steps: Sequence[float]) -> int:
    return sum(figure >= step for step in steps)


def _place(tunnel: Tunnel, prefer: tuple[str, ...]) -> int:
    """Its name counts before its kind."""
    for word in (tunnel.id.name, tunnel.uplink.kind):
        if word in prefer:
            return prefer.index(word)
    return len(prefer)
