"""ahead: what would change where a branch's traffic goes, and not before when. Pure.

Both what is awaited (a hold, a window, the end of a drain) and what may happen (the tunnel in use dies), in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from policies.choice import SHORT_HOLD
from policies.lengths import in_seconds
from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Mode, Tunnel
from policies.model.overrides import Drain, Overrides
from policies.model.policy import FailbackMode, Metered
from policies.model.verdicts import Reason, Verdict
from policies.model.view import View
from policies.ranking import Ranked, Usability, present_order, standing_order
from policies.schedule import instant_of, local, next_change, within
from policies.steering import Steering, changes_at

_CARRIES = (Usability.UP, Usability.UP_WITHOUT_SESSION, Usability.DEGRADED, Usability.DRAINED, Usability.LEAVING)


@dataclass(frozen=True, slots=True)
class Coming:
    """A Coming is what would change something, and before which instant it cannot; None: it is nobody's clock's."""

    what: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """An Ahead looks forward for the traffic of one steering.

    `standing` are all overrides, also those that are only scheduled; `drained` by which drains each tunnel is now.
    """

    intent: Intent
    branch: Branch
    view: View
    verdict: Verdict
    steering: Steering
    standing: Overrides
    drained: Mapping[TunnelId, tuple[Drain, ...]]
    now: Now

    def coming(self) -> tuple[Coming, ...]:
        """All of it: what a clock brings first, by time, then the rest; each once."""
        found = dict.fromkeys((*self._awaited(), *self._better(), *self._leaving(), *self._said(), *self._by_time()))
        return tuple(sorted(found, key=lambda one: (one.at is None, one.at or 0.0)))

    def _awaited(self) -> Iterator[Coming]:
        """What the decision itself waits for."""
        verdict = self.verdict
        if verdict.reason is Reason.MOVING and verdict.active is not None:
            yield Coming(f"the move is under way ({verdict.detail})")
        elif verdict.next and verdict.next_at is not None:
            yield Coming(verdict.next, verdict.next_at)
        elif verdict.reason is Reason.BLIND:
            yield Coming("the forwarder answers again: until then nothing is changed")
        elif verdict.reason is Reason.NOTHING_HEARD:
            yield Coming("the branch announces its prefixes")

    def _better(self) -> Iterator[Coming]:
        """What each tunnel that is preferred to the one in use waits for."""
        ranks, active = self._ranks(), self.verdict.active
        present = ranks.get(active) if active is not None else None
        if present is None:
            return
        if present.usability is Usability.DOWN:
            if all(ranked.usability is Usability.DOWN for ranked in ranks.values()):
                yield Coming("whichever tunnel answers first carries at once")
            return
        for tunnel in standing_order(self.branch, self.steering):
            if tunnel.id == active:
                return
            if (coming := self._returns(tunnel, ranks[tunnel.id], present)) is not None:
                yield coming

    def _returns(self, tunnel: Tunnel, ranked: Ranked, present: Ranked) -> Coming | None:
        name, hold = tunnel.id.name, self._hold(ranked, present)
        held = f", and then for a hold of {in_seconds(hold)}" if hold else ""
        match ranked.usability:
            case Usability.DOWN:
                text = f"{name} may carry again once it has answered" + (f" for {in_seconds(hold)}" if hold else "")
                return self._and_failback(text, hold, tunnel.id, present)
            case Usability.UNKNOWN:
                return Coming(f"{name} may carry once it is known to live")
            case Usability.DEGRADED:
                window, since = self._healthy_window(tunnel), self.view.health_of(tunnel.id).since
                text = f"{name} may carry again once it was within its limits for {in_seconds(window)}{held}"
                left = max(since + window - self.now.monotonic, 0.0)
                return self._and_failback(text, left + hold, tunnel.id, present)
            case Usability.DRAINED:
                return self._after_drain(tunnel.id, held, hold)
            case Usability.UP_WITHOUT_SESSION:
                return Coming(f"{name} may carry again when its BGP session is back")
            case Usability.LEAVING:
                return None
            case _:
                return self._waits(tunnel.id)

    def _hold(self, ranked: Ranked, present: Ranked) -> float:
        """Seconds: less out of a tunnel that is bad itself, none out of one that is drained (policies.choice).

        One that is drained will wait for its whole hold also out of a degraded one.
        """
        if present.usability in (Usability.DRAINED, Usability.LEAVING):
            return 0.0
        hold = self.steering.failback.hold
        well = (Usability.UP, Usability.DEGRADED) if ranked.usability is Usability.DRAINED else (Usability.UP,)
        return (hold if present.usability in well else min(hold, SHORT_HOLD)).total_seconds()

    def _waits(self, tunnel: TunnelId) -> Coming | None:
        """A tunnel that is well: its time is told by the decision, where there is one."""
        name, branch = tunnel.name, self.branch.name
        match self.verdict.reason:
            case Reason.WAITING_FOR_WORD:
                return Coming(f'{name} carries again when told to: "pointsman failback {branch}"')
            case Reason.FAILBACK_NEVER:
                on = self.verdict.active.name if self.verdict.active is not None else "the tunnel in use"
                return Coming(f'{name} carries again when {on} gets worse, or by "pointsman failback {branch}"')
            case Reason.WAITING_FOR_SESSION:
                return Coming(f"{name} carries again when its BGP session has sent all")
            case Reason.OUTSIDE_WINDOW:
                return Coming(f'{name} carries again before its window by "pointsman failback {branch}"')
            case Reason.FROZEN:
                return Coming(f'{name} carries again when moves are not frozen any more: "pointsman unfreeze"')
            case _:
                return None

    def _and_failback(self, text: str, seconds: float, tunnel: TunnelId, present: Ranked) -> Coming:
        """After this time at the earliest; and what the policy asks beside it, unless the tunnel in use is bad."""
        at = Instant(self.now.monotonic + seconds)
        if present.usability is not Usability.UP:
            return Coming(text, at)
        at = max(at, self.view.health_of(tunnel).suppressed_until)
        failback, branch = self.steering.failback, self.branch.name
        if self.steering.frozen:
            return Coming(f"{text}, and moves are not frozen any more", at)
        match failback.mode:
            case FailbackMode.WINDOW:
                wall = local(self.now, self.branch.timezone) + timedelta(seconds=at - self.now.monotonic)
                opens = None if within(failback.windows, wall) else next_change(failback.windows, wall)
                return Coming(f"{text}, inside a window", at if opens is None else instant_of(opens, self.now))
            case FailbackMode.MANUAL:
                return Coming(f'{text}, and is told to: "pointsman failback {branch}"', at)
            case FailbackMode.NEVER:
                return Coming(f'{text}, and the tunnel in use is worse, or by "pointsman failback {branch}"', at)
            case _:
                return Coming(text, at)

    def _healthy_window(self, tunnel: Tunnel) -> float:
        limits = self.branch.limits_of(tunnel).healthy_when_all
        return max((limit.over.total_seconds() for limit in limits), default=0.0)

    def _after_drain(self, tunnel: TunnelId, held: str, hold: float) -> Coming:
        ends = [drain.until for drain in self.drained.get(tunnel, ())]
        known = [end for end in ends if end is not None]
        if not ends or len(known) < len(ends):
            numbers = [drain.number for drain in self.drained.get(tunnel, ()) if drain.until is None]
            told = " and ".join(f'"pointsman undrain {number}"' for number in numbers) or '"pointsman undrain"'
            return Coming(f"{tunnel.name} may carry again after {told}{held}")
        at = instant_of(max(known).astimezone(UTC), self.now)
        return Coming(f"{tunnel.name} may carry again when its drain has ended{held}", Instant(at + hold))

    def _leaving(self) -> Iterator[Coming]:
        """What would take traffic off the tunnel in use."""
        ranks, active = self._ranks(), self.verdict.active
        present = ranks.get(active) if active is not None else None
        if present is None or present.usability is Usability.DOWN:
            return
        others = [ranked for ranked in ranks.values() if ranked is not present and ranked.usability in _CARRIES]
        name = present.tunnel.name
        if not others:
            yield Coming(f"should {name} die, no tunnel is left")
            return
        to = others[0]
        both_up = present.usability is Usability.UP and to.usability is Usability.UP
        last = self.steering.metered is Metered.LAST_RESORT and to.metered and not present.metered
        how = "die or become degraded" if both_up and not last and not self.steering.ignore_degraded else "die"
        yield Coming(f"should {name} {how}, {to.tunnel.name} carries")

    def _said(self) -> Iterator[Coming]:
        """When what operators said begins or ends for this branch."""
        name, now = self.branch.name, self.now
        mine = frozenset(tunnel.id for tunnel in self.branch.tunnels)
        switched = [switch for switch in self.standing.switches if switch.branch == name]
        for switch in switched:
            if switch.until is None:
                yield Coming(f'the policy decides again by "pointsman unswitch {name}"')
            elif switch.until > now.wall:
                yield self._ends(f"switch {switch.number} to {switch.to} ends: the policy decides again", switch.until)
        for freeze in self.standing.freezes:
            if freeze.until is not None and freeze.until > now.wall:
                yield self._ends(f"freeze {freeze.number} ends: traffic may move again", freeze.until)
        for drain in self.standing.drains:
            if drain.begins > now.wall and (means := drain.target.tunnels(self.intent) & mine):
                names = ", ".join(sorted(tunnel.name for tunnel in means))
                yield self._ends(f"drain {drain.number} of {drain.target.text} begins: {names} is left", drain.begins)

    def _ends(self, what: str, at: datetime) -> Coming:
        return Coming(what, instant_of(at.astimezone(UTC), self.now))

    def _by_time(self) -> Iterator[Coming]:
        if (at := changes_at(self.branch, self.now)) is not None:
            yield Coming("a time of day that rules or failback name begins or ends", at)

    def _ranks(self) -> Mapping[TunnelId, Ranked]:
        order: Sequence[Ranked] = present_order(self.branch, self.view, self.now.monotonic, self.steering)
        return {ranked.tunnel: ranked for ranked in order}


def coming_for(ahead: Ahead) -> tuple[Coming, ...]:
    """What is ahead; of a branch that is not steered by us only that."""
    if ahead.branch.mode is not Mode.ACT:
        return (Coming(f"nothing: {ahead.branch.name} is observed only (mode: {ahead.branch.mode.value})"),)
    return ahead.coming()
