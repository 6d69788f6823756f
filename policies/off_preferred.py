"""off_preferred: a branch that stays on a lesser tunnel while a better one is well. Pure.

Nothing is broken then, so that nobody would notice: it is named with what keeps it there, what that costs, and what
ends it. What an operator meant, and what ends by itself, is told but is no fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from policies.choice import may_return_at, speaks_against
from policies.figures import size_words
from policies.forwarding import carrying
from policies.model.clock import NEVER, Instant, Now
from policies.model.health import HealthState
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, Mode, Tunnel
from policies.model.overrides import Drain, Override, Overrides
from policies.model.verdicts import Reason
from policies.model.view import ClassView, LivenessState, SessionState, View
from policies.overrides.times import shown
from policies.ranking import Ranked, present_order, standing_order
from policies.schedule import local, wall_of
from policies.steering import Steering, steerings

NOTICEABLE = 0.001
"""Seconds of round trip, and a share of loss, below which a difference costs nothing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A Kept is what keeps traffic off a better tunnel, and what ends that.

    `until` is when it ends by itself, None: it does not. `meant`: the files say so, or an operator did, with an end.
    """

    because: str
    mend: str
    until: datetime | None = None
    meant: bool = False


@dataclass(frozen=True, slots=True)
class OffPreferred:
    """An OffPreferred is traffic of a branch that is on a lesser tunnel though a better one is well, since when.

    `sources` are the hub prefixes whose traffic it is, empty for all others. It is a fault from `fault_at` on, None:
    it never is.
    """

    branch: str
    on: TunnelId
    better: TunnelId
    since: Instant
    kept: Kept
    fault_at: Instant | None
    sources: tuple[Prefix, ...] = ()

    def is_fault(self, now: Instant) -> bool:
        """Whether it has lasted for too long."""
        return self.fault_at is not None and now >= self.fault_at

    @property
    def key(self) -> str:
        """What names it for good."""
        return f"off-preferred:{self.branch}" + "".join(f" from {source}" for source in self.sources)

    def text(self, cost: Sequence[str], now: Now) -> str:
        """The whole of it in one line."""
        whose = f"{self.branch}: traffic from {', '.join(map(str, self.sources))}" if self.sources else self.branch
        since = wall_of(self.since, now)
        costs = f"; it costs: {', '.join(cost)}" if cost else ""
        return (
            f"{whose} is on {self.on.name} since {shown(since, now.wall)}, though {self.better.name}, the better one, "
            f"is well: {self.kept.because}{costs}"
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """A Carried is how many bytes went over a tunnel, in both directions together, since an instant."""

    since: Instant
    count: int


@dataclass(frozen=True, slots=True)
class OffPreferredFault:
    """An OffPreferredFault is an OffPreferred that has lasted for too long, in words; `key` names it for good."""

    key: str
    text: str
    mend: str


def fault_of(found: OffPreferred, branch: Branch, view: View, carried: Carried | None, now: Now) -> OffPreferredFault:
    """It in words, with its cost; the arguments are those of `cost`."""
    return OffPreferredFault(found.key, found.text(cost(found, branch, view, carried, now), now), found.kept.mend)


def off_preferred(
    branch: Branch, view: View, overrides: Overrides, drained: Mapping[TunnelId, tuple[Drain, ...]], now: Now
) -> Iterator[OffPreferred]:
    """The traffic of a branch that is not on the best tunnel that is well. `overrides` and `drained` are those of now.

    What is best is what the policy prefers; for the hub prefixes of rules, what their rule does.
    """
    if branch.mode is not Mode.ACT or not view.forwarder:
        return
    whole: OffPreferred | None = None
    for steering in steerings(branch, view, now):
        found = _Look(branch, view, steering, overrides, drained, now).found()
        # What goes the way of all else is told with that.
        same = whole is not None and found is not None and (found.on, found.better) == (whole.on, whole.better)
        if found is not None and not same:
            yield found
        whole = found if not steering.sources else whole


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at the traffic of one steering."""

    branch: Branch
    view: View
    steering: Steering
    overrides: Overrides
    drained: Mapping[TunnelId, tuple[Drain, ...]]
    now: Now

    def found(self) -> OffPreferred | None:
        """The best of the better tunnels, but first one that is kept off without being meant to be."""
        forwarding = carrying(self.branch, self.view, self.steering.sources)
        better = self._better(forwarding.active if forwarding is not None else None)
        if forwarding is None or not better:
            return None
        every = [self._off(forwarding, tunnel.id) for tunnel in better]
        return next((one for one in every if not one.kept.meant), every[0])

    def _better(self, active: TunnelId | None) -> list[Tunnel]:
        preference = replace(self.steering, switched=None) if self.steering.sources else None
        order = standing_order(self.branch, preference)
        place = next((place for place, tunnel in enumerate(order) if tunnel.id == active), 0)
        if active is None or self.view.liveness_of(active).state is not LivenessState.UP:
            return []
        return [tunnel for tunnel in order[:place] if self._is_well(tunnel.id)]

    def _is_well(self, tunnel: TunnelId) -> bool:
        return (
            self.view.liveness_of(tunnel).state is LivenessState.UP
            and self.view.health_of(tunnel).state is not HealthState.DEGRADED
            and self.view.session_of(tunnel).state is SessionState.UP
            and tunnel not in self.branch.leaving
        )

    def _off(self, forwarding: ClassView, better: TunnelId) -> OffPreferred:
        ranking = present_order(self.branch, self.view, self.now.monotonic, self.steering)
        ranks = {ranked.tunnel: ranked for ranked in ranking}
        on = forwarding.active or better
        kept = self._kept(ranks[better], ranks[on], ranking, forwarding.since)
        failback, well = self.steering.failback, self._well_since(better)
        held = max(forwarding.since, well, may_return_at(ranks[better], failback, self.view))
        after = failback.remind_after
        fault_at = None if kept.meant or after is None else Instant(held + after.total_seconds())
        since = max(forwarding.since, well)
        return OffPreferred(self.branch.name, on, better, since, kept, fault_at, self.steering.sources)

    def _well_since(self, tunnel: TunnelId) -> Instant:
        view = self.view
        returned = max(view.health_of(tunnel).recovered, view.undrained.get(tunnel, NEVER))
        return max(returned, view.liveness_of(tunnel).since, view.session_of(tunnel).since)

    def _kept(self, better: Ranked, on: Ranked, ranking: Sequence[Ranked], moved: Instant) -> Kept:
        name, steering = self.branch.name, self.steering
        if better.tunnel in steering.drained:
            return self._said(self.drained.get(better.tunnel, ()), f"keeps {better.tunnel.name} out of service")
        if on.tunnel == steering.switched:
            mine = [switch for switch in self.overrides.switches if switch.branch == name]
            return self._said(mine[-1:], f"prefers {on.tunnel.name}")
        if ranking.index(better) > ranking.index(on):
            return self._preferred(on.tunnel)
        if steering.frozen:
            return self._said(self.overrides.freezes, "stops all moves")
        against = speaks_against(
            better, on, steering, self.view, replace(self.now, wall=local(self.now, self.branch.timezone)), moved
        )
        return self._waits(better.tunnel, *(against or (None, None)))

    def _said(self, overrides: Sequence[Override], does: str) -> Kept:
        """By operators: it ends when the last of what they said does, and then it is meant until then."""
        if not overrides:
            return Kept(f"an operator {does}", "pointsman overrides")
        ends = [override.until for override in overrides]
        until = None if None in ends else max(end for end in ends if end is not None)
        last = next(override for override in overrides if override.until == until)
        reason = f" ({last.reason})" if last.reason else ""
        end = f"until {shown(until, self.now.wall)}" if until is not None else "without an end"
        because = f"{_kind(last)} {last.number} of {last.author.user} {does} {end}{reason}"
        return Kept(because, _ends_by(last, self.branch.name), until, meant=until is not None)

    def _preferred(self, on: TunnelId) -> Kept:
        """By the files: that needs no mend."""
        script = self.view.scripted(self.branch.name)
        if script is not None and (script.prefer is not None or script.metered is not None):
            who = f"the script {self.branch.policy.script} prefers"
        elif self.steering.rule:
            who = f'the rule "{self.steering.rule}" prefers'
        else:
            who = "what can be used now is ranked so by the policy, which puts first"
        return Kept(f"{who} {on.name}", "", meant=True)

    def _waits(self, better: TunnelId, reason: Reason | None, until: Instant | None) -> Kept:
        name = better.branch
        if reason is None:
            if not self.view.session_of(better).complete:
                return Kept("its BGP session has not sent all yet", f"pointsman doctor; pointsman why {name}")
            return Kept(
                "it is told to move, and is not seen to follow",
                f"look at BGP and at the routes of the branch's router; pointsman why {name}",
            )
        at = None if until is None else self.now.wall.astimezone(UTC) + timedelta(seconds=until - self.now.monotonic)
        when = f" until {shown(at, self.now.wall)}" if at is not None else ""
        by = self._failback_by()
        told = f"pointsman failback {name}"
        match reason:
            case Reason.WAITING_FOR_WORD:
                return Kept(f"failback is manual{by} and waits for a word", told, at)
            case Reason.FAILBACK_NEVER:
                return Kept(f"failback is never{by}", told, at)
            case Reason.OUTSIDE_WINDOW:
                opens = f"the next one opens {shown(at, self.now.wall)}" if at is not None else "there is none"
                return Kept(f"failback waits for its window{by}: {opens}", f"wait, or now: {told}", at)
            case Reason.DAMPED:
                calm = f"{better.name} came and went too often, and is held back{when}"
                return Kept(calm, f"look at the line: it is its coming and going that is wrong ({better})", at)
            case _:
                return Kept(f"{reason.value}{when}", "wait: it ends by itself", at)

    def _failback_by(self) -> str:
        by_rule = self.steering.rule and self.steering.failback != self.branch.policy.failback
        return f' (rule "{self.steering.rule}")' if by_rule else ""


def cost(found: OffPreferred, branch: Branch, view: View, carried: Carried | None, now: Now) -> tuple[str, ...]:
    """What it costs, as far as that was measured: metered bytes, round trip, loss."""
    tunnels = {tunnel.id: tunnel for tunnel in branch.tunnels}
    spent = []
    metered = tunnels[found.on].uplink.metered and not tunnels[found.better].uplink.metered
    if metered and carried is not None and carried.count:
        since = wall_of(carried.since, now)
        spent.append(f"{size_words(carried.count)} over the metered {found.on.name} since {shown(since, now.wall)}")
    elif metered:
        spent.append(f"{found.on.name} is metered")
    here, there = view.health_of(found.on).figures, view.health_of(found.better).figures
    if here.rtt is not None and there.rtt is not None and here.rtt - there.rtt >= NOTICEABLE:
        spent.append(f"a round trip of {here.rtt * 1000:.3g} ms instead of {there.rtt * 1000:.3g} ms")
    if here.loss is not None and there.loss is not None and here.loss - there.loss >= NOTICEABLE:
        spent.append(f"a loss of {here.loss * 100:.1f} % instead of {there.loss * 100:.1f} %")
    return tuple(spent)


def _kind(override: Override) -> str:
    return type(override).__name__.lower()


def _ends_by(override: Override, branch: str) -> str:
    match _kind(override):
        case "drain":
            return f"pointsman undrain {override.number}"
        case "switch":
            return f"pointsman unswitch {branch}"
        case _:
            return f"pointsman unfreeze {override.number}"
