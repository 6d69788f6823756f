"""The traffic that is steered by itself, and what the core must make of it: worked out anew, from the truth.

By which rule traffic goes is read here from the lines, the judgements and the wall clock, not from what is believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from histories.controller import wall
from policies.decide import BranchDecision
from policies.model.clock import Now
from policies.model.health import HealthState
from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Branch, Tunnel
from policies.model.policy import Condition, FailbackMode, Metered
from policies.model.verdicts import Verdict
from policies.model.view import SessionView
from policies.schedule import instant_of, local, next_change, within

if TYPE_CHECKING:
    from histories.world import World

UP, DEGRADED, DRAINED, LEAVING = range(4)
"""How fit a live tunnel is; the lower the better."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A Traffic is that of one hub prefix which a rule names, or (`source` None) all that no rule names."""

    source: Prefix | None
    prefer: tuple[str, ...]
    metered: Metered
    returns: bool
    """Whether it goes back by itself, or an operator said that it may."""
    ignore_degraded: bool
    rule: str = ""
    """The rule that counts, "" for none."""

    def prefixes(self, world: World) -> tuple[Prefix, ...]:
        """What the branch is told for it."""
        if self.source is not None:
            return (self.source,)
        apart = named(world)
        return tuple(prefix for prefix in world.announced() if prefix not in apart)

    def sources(self, world: World) -> tuple[str, ...]:
        """The sources of rules that hold its own, the longest first."""
        return () if self.source is None else sources_holding(self.source, world)

    def goes_to(self, lan: Prefix) -> bool:
        """Whether it can have packets to a prefix of the branch."""
        return self.source is None or self.source.version == lan.version

    def usability(self, world: World, tunnel: TunnelId) -> int:
        """How fit a live tunnel is for it."""
        if world.intent.branches[tunnel.branch].leaving.intersection({tunnel}):
            return LEAVING
        if tunnel in world.judged.drained:
            return DRAINED
        return DEGRADED if self.is_degraded(world, tunnel) else UP

    def is_degraded(self, world: World, tunnel: TunnelId) -> bool:
        """Whether the tunnel counts as degraded for it."""
        return tunnel in world.judged.degraded and not self.ignore_degraded

    def standing(self, world: World) -> list[Tunnel]:
        """The tunnels as they are preferred while all is well."""
        branch = _branch(world)
        return sorted(branch.tunnels, key=lambda t: (t.id in branch.leaving, *self._preference(world, t)))

    def present(self, world: World, tunnels: Iterable[TunnelId] | None = None) -> list[TunnelId]:
        """The live ones of these tunnels (None: of all), the one that should carry it first."""
        asked = None if tunnels is None else set(tunnels)
        order = [t for t in self.standing(world) if world.lines[t.id].live and (asked is None or t.id in asked)]
        return [t.id for t in sorted(order, key=lambda t: self._fitness(world, t))]

    def may_be_on(self, world: World, tunnel: TunnelId, order: list[TunnelId]) -> bool:
        """Whether in the end it may be on this tunnel; `order` are those that it could be on, the best first."""
        if not order or tunnel == order[0]:
            return True
        stays = not self.returns and order[0] != world.judged.switched
        return stays and tunnel in order and self.usability(world, tunnel) == UP

    def _preference(self, world: World, tunnel: Tunnel) -> tuple[bool, bool, int, str]:
        name = tunnel.id.name
        place = self.prefer.index(name) if name in self.prefer else len(self.prefer)
        metered_last = tunnel.uplink.metered and self.metered is not Metered.ALLOWED
        return tunnel.id != world.judged.switched, metered_last, place, name

    def _fitness(self, world: World, tunnel: Tunnel) -> tuple[int, bool, int]:
        usability = self.usability(world, tunnel.id)
        if self.metered is not Metered.LAST_RESORT or usability > DEGRADED:
            return usability, False, usability
        return UP, tunnel.uplink.metered and tunnel.id != world.judged.switched, usability


def named(world: World) -> tuple[Prefix, ...]:
    """The hub prefixes that rules name."""
    every = (prefix for rule in _branch(world).policy.rules for prefix in rule.when.hub_prefixes)
    return tuple(dict.fromkeys(every))


def sources_holding(source: Prefix, world: World) -> tuple[str, ...]:
    """The prefixes that rules name and that have all of this one, the longest first."""
    holding = [each for each in named(world) if lies_within(source, (each,))]
    return tuple(str(each) for each in sorted(holding, key=lambda each: -each.prefixlen))


def all_traffic(world: World) -> list[Traffic]:
    """All that is not named, and each that is."""
    return [_traffic(world, source) for source in (None, *named(world))]


def _traffic(world: World, source: Prefix | None) -> Traffic:
    policy = _branch(world).policy
    rule = next((rule for rule in policy.rules if _holds(rule.when, world, source)), None)
    change = rule.set if rule is not None else None
    failback = (change.failback if change is not None else None) or policy.failback
    return Traffic(
        source,
        (change.prefer if change is not None else None) or policy.prefer,
        (change.metered if change is not None else None) or policy.metered,
        failback.mode is FailbackMode.AUTOMATIC or world.judged.go_back,
        change is not None and change.ignore_degraded,
        rule.name if rule is not None else "",
    )


def _holds(when: Condition, world: World, source: Prefix | None) -> bool:
    if when.hub_prefixes and (source is None or not lies_within(source, when.hub_prefixes)):
        return False
    now = Now(world.timeline.now, wall(world.timeline.now))
    if when.times and not within(when.times, local(now, _branch(world).timezone)):
        return False
    return any(_is_asked(when, world, tunnel.id) for tunnel in _branch(world).tunnels)


def _is_asked(when: Condition, world: World, tunnel: TunnelId) -> bool:
    if when.tunnels and tunnel.name not in when.tunnels:
        return False
    if when.health == {HealthState.DEGRADED} and tunnel not in world.judged.degraded:
        return False
    if when.drained is not None and when.drained != (tunnel in world.judged.drained):
        return False
    return when.down is None or when.down != world.lines[tunnel].live


def _branch(world: World) -> Branch:
    (branch,) = world.intent.branches.values()
    return branch


def goes_by_the_clock(world: World) -> bool:
    """Whether time alone says which rules count."""
    asked = (rule.when for rule in _branch(world).policy.rules)
    return not any(when.tunnels or when.health or when.down is not None or when.drained is not None for when in asked)


def edges(world: World) -> list[float]:
    """When a window of a rule begins or ends next."""
    now = Now(world.timeline.now, wall(world.timeline.now))
    here = local(now, _branch(world).timezone)
    windows = [window for rule in world.situation.rules for window in rule.when.times]
    found = (next_change([window], here) for window in windows)
    return [instant_of(edge, now) for edge in found if edge is not None]


# what the core says of the traffic of one prefix


def told_with(world: World, prefix: Prefix) -> frozenset[Prefix] | None:
    """The prefixes whose values go together with that of this one; None: all that there are."""
    apart = named(world)
    if not apart:
        return None
    return frozenset({prefix}) if prefix in apart else frozenset(world.announced()) - set(apart)


def verdict_of(decision: BranchDecision, prefix: Prefix) -> Verdict:
    """What is decided for the traffic of this prefix."""
    return next((one for one in decision.verdict.others if prefix in one.sources), decision.verdict)


def lowest_held(session: SessionView, together: frozenset[Prefix] | None) -> int | None:
    """The lowest MED of these prefixes that the branch may hold from a tunnel."""
    if together is None:
        return session.lowest_held
    meds = [said.med for set_ in (session.sent, session.sent_before) for p, said in set_.items() if p in together]
    return min(meds, default=None)
