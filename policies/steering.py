"""steering: by which preferences a branch's traffic is steered now, after overrides and rules.

The traffic from most of the hub goes one way. A rule for a hub prefix steers the traffic of that prefix by itself: the
prefix is announced beside the others, always, so that a rule that begins or ends changes values and nothing else.
Precedence: freeze, drain, switch, script, rule, branch, policy. Of the rules the first that matches a prefix counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from policies.model.clock import Instant, Now
from policies.model.health import HealthState
from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Branch, Tunnel
from policies.model.policy import Condition, Failback, Metered, RuleChange
from policies.model.view import LivenessState, View
from policies.schedule import instant_of, local, next_change, within

Value = TypeVar("Value")
EVERYWHERE: tuple[Prefix, ...] = ()
"""The sources of the traffic for which no rule names a hub prefix."""


@dataclass(frozen=True, slots=True)
class Steering:
    """A Steering is what ranks the tunnels of a branch for the traffic from `sources` (empty: all other sources).

    `rule` is the name of the rule that counts, "" for none. `switched` is the tunnel that an operator prefers.
    """

    prefer: tuple[str, ...]
    metered: Metered
    failback: Failback
    sources: tuple[Prefix, ...] = EVERYWHERE
    ignore_degraded: bool = False
    rule: str = ""
    switched: TunnelId | None = None
    drained: frozenset[TunnelId] = frozenset()
    frozen: bool = False
    go_back: bool = False
    """Whether an operator has said that traffic may go back now."""


def plain_steering(branch: Branch) -> Steering:
    """As the branch's policy says, without rules and overrides."""
    policy = branch.policy
    return Steering(policy.prefer, policy.metered, policy.failback)


def steerings(branch: Branch, view: View, now: Now) -> tuple[Steering, ...]:
    """One for all traffic that no rule names a hub prefix for, and one for each hub prefix that a rule names."""
    if not (branch.policy.rules or branch.name in view.in_force or branch.name in view.adjustments):
        return (plain_steering(branch),)
    wall = local(now, branch.timezone)
    return tuple(_steering(branch, sources, view, wall) for sources in (EVERYWHERE, *sources_of(branch)))


def named_by_rules(branch: Branch) -> frozenset[Prefix]:
    """The hub prefixes that rules of this branch name: each is announced, and steered, by itself."""
    return frozenset(p for rule in branch.policy.rules if _is_for(rule.when, branch) for p in rule.when.hub_prefixes)


def sources_of(branch: Branch) -> tuple[tuple[Prefix, ...], ...]:
    """The hub prefixes that the rules of a branch name, each by itself, in order.

    Not those that the branch cannot be told of, as it has no prefix of their IP version: it could not be steered by
    them. Nor what is its own.
    """
    told = (p for p in named_by_rules(branch) if p.version in branch.versions and not lies_within(p, branch.prefixes))
    return tuple((prefix,) for prefix in sorted(told, key=lambda p: (p.version, p)))


def _steering(branch: Branch, sources: tuple[Prefix, ...], view: View, wall: datetime) -> Steering:
    rule = next((r for r in branch.policy.rules if _matches(r.when, branch, sources, view, wall)), None)
    change = rule.set if rule is not None else RuleChange()
    script = view.scripted(branch.name) or RuleChange()
    policy = branch.policy
    overrides = view.overridden(branch.name)
    return Steering(
        prefer=_first(script.prefer, change.prefer, policy.prefer),
        metered=_first(script.metered, change.metered, policy.metered),
        failback=_first(change.failback, policy.failback),
        sources=sources,
        ignore_degraded=script.ignore_degraded or change.ignore_degraded,
        rule=rule.name if rule is not None else "",
        switched=overrides.switched,
        drained=overrides.drained,
        frozen=overrides.frozen,
        go_back=overrides.go_back,
    )


def _first(*said: Value | None) -> Value:
    return next(value for value in said if value is not None)


def _matches(when: Condition, branch: Branch, sources: tuple[Prefix, ...], view: View, wall: datetime) -> bool:
    if not _is_for(when, branch):
        return False
    if when.hub_prefixes and not (sources and all(lies_within(p, when.hub_prefixes) for p in sources)):
        return False
    if when.times and not within(when.times, wall):
        return False
    return not _asks_tunnels(when) or any(_tunnel_matches(when, tunnel, view) for tunnel in branch.tunnels)


def _is_for(when: Condition, branch: Branch) -> bool:
    return not when.branches or branch.name in when.branches


def _asks_tunnels(when: Condition) -> bool:
    return bool(
        when.tunnels
        or when.kinds
        or when.isps
        or when.hub_uplinks
        or when.health
        or when.down is not None
        or when.drained is not None
    )


def _tunnel_matches(when: Condition, tunnel: Tunnel, view: View) -> bool:
    asked: Iterable[tuple[frozenset[str], frozenset[str]]] = (
        (when.tunnels, frozenset({tunnel.id.name})),
        (when.kinds, frozenset({tunnel.uplink.kind})),
        (when.isps, frozenset({tunnel.uplink.isp, tunnel.hub_uplink.isp})),
        (when.hub_uplinks, frozenset({tunnel.hub_uplink.name})),
    )
    if any(wanted and not wanted & has for wanted, has in asked):
        return False
    if when.health and view.health_of(tunnel.id).state not in when.health:
        return False
    down = view.liveness_of(tunnel.id).state is LivenessState.DOWN
    if when.down is not None and when.down is not down:
        return False
    drained = tunnel.id in view.overridden(tunnel.id.branch).drained
    return when.drained is None or when.drained is drained


def changes_at(branch: Branch, now: Now) -> Instant | None:
    """When the time of day alone next changes how this branch is steered."""
    policy = branch.policy
    failbacks = (policy.failback, *(r.set.failback for r in policy.rules if r.set.failback is not None))
    windows = [w for rule in policy.rules for w in rule.when.times] + [w for f in failbacks for w in f.windows]
    if not windows:
        return None
    wall = next_change(windows, local(now, branch.timezone))
    return instant_of(wall, now) if wall is not None else None


def degraded(tunnel: TunnelId, steering: Steering, view: View) -> bool:
    """Whether the tunnel counts as degraded for this traffic."""
    return view.health_of(tunnel).state is HealthState.DEGRADED and not steering.ignore_degraded
