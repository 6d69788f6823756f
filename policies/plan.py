"""plan: what a changed configuration would do, said before anything is done. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import Enum

from policies.changes import Change, branch_changes, hub_changes
from policies.choice import choose
from policies.forwarding import carrying
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.verdicts import Reason
from policies.model.view import LivenessState, View
from policies.observe import without_strangers
from policies.policy_words import policy_facts
from policies.ranking import present_order
from policies.schedule import local
from policies.steering import steerings
from policies.transition import leaving_tunnels, restarting_sessions

MOST_REMOVED = 0.5
"""The part of the branches that may go at once without being forced; one alone may always, unless it is the last."""
DIGITS = 8
"""Of a plan's number: two plans that somebody may take for each other do not share one by chance."""


class Kind(Enum):
    """What happens to a branch."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """A BranchPlan is what would happen to one branch.

    `on` is the tunnel that carries it now, `to` the one it would move to, None when it stays. `opened`, `closed` and
    `restarted` are names of tunnels whose sessions are. `live_before` and `live_after` count live tunnels.
    """

    branch: str
    kind: Kind
    changes: tuple[Change, ...] = ()
    on: str | None = None
    to: str | None = None
    to_metered: bool = False
    later: str = ""
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    live_before: int = 0
    live_after: int = 0

    @property
    def isolated(self) -> bool:
        """Whether it can be reached now and no tunnel that is known to live would be left."""
        return self.kind is Kind.CHANGED and self.live_before > 0 and self.live_after == 0

    @property
    def on_one_path(self) -> bool:
        """Whether one live tunnel is left of several."""
        return self.kind is Kind.CHANGED and self.live_before > 1 and self.live_after == 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A Plan is all that would happen; its `id` is another whenever that, or what it is reckoned from, is another."""

    id: str
    hub: tuple[Change, ...] = ()
    branches: tuple[BranchPlan, ...] = ()
    unchanged: int = 0
    guards: tuple[str, ...] = field(default=())
    """What must be forced."""

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not self.hub and not self.branches


def plan(before: Intent, after: Intent, view: View, now: Now) -> Plan:
    """What would happen if `after` took the place of `before` now."""
    restarted = restarting_sessions(before, after)
    fresh = without_strangers(view, _unchanged_tunnels(before, after), frozenset(after.branches))
    branches = [
        *(_added(branch) for name, branch in after.branches.items() if name not in before.branches),
        *(_removed(branch, view) for name, branch in before.branches.items() if name not in after.branches),
    ]
    for name, branch in after.branches.items():
        was = before.branches.get(name)
        if was is not None and (planned := _changed(was, branch, restarted, view, fresh, now)) is not None:
            branches.append(planned)
    branches.sort(key=lambda planned: planned.branch)
    hub = hub_changes(before.hub, after.hub)
    unchanged = len(after.branches) - sum(planned.kind is not Kind.REMOVED for planned in branches)
    found = Plan("", hub, tuple(branches), unchanged, _guards(before, after, branches))
    return Plan(_digest(before, after, found), hub, found.branches, unchanged, found.guards)


def _unchanged_tunnels(before: Intent, after: Intent) -> frozenset[TunnelId]:
    going = {
        tunnel.id
        for name, branch in before.branches.items()
        if name in after.branches
        for tunnel in leaving_tunnels(branch, after.branches[name])
    }
    return frozenset(after.tunnels()) & frozenset(before.tunnels()) - going


def _added(branch: Branch) -> BranchPlan:
    return BranchPlan(branch.name, Kind.ADDED, opened=tuple(tunnel.id.name for tunnel in branch.tunnels))


def _removed(branch: Branch, view: View) -> BranchPlan:
    return BranchPlan(
        branch.name,
        Kind.REMOVED,
        on=_on(branch, view),
        closed=tuple(tunnel.id.name for tunnel in branch.tunnels),
        live_before=_live(branch, view),
    )


def _changed(
    was: Branch, branch: Branch, restarted: frozenset[TunnelId], view: View, fresh: View, now: Now
) -> BranchPlan | None:
    changes = branch_changes(was, branch)
    going = {tunnel.id for tunnel in leaving_tunnels(was, branch)}
    kept = {tunnel.id for tunnel in was.tunnels} - going
    restarts = tuple(tunnel.id.name for tunnel in branch.tunnels if tunnel.id in restarted)
    on = _on(was, view)
    to, later = _prediction(branch, fresh, now, on)
    if not changes and not restarts:
        return None
    metered = {tunnel.id.name: tunnel.uplink.metered for tunnel in (*was.tunnels, *branch.tunnels)}
    return BranchPlan(
        branch.name,
        Kind.CHANGED,
        changes,
        on=on,
        to=to,
        to_metered=to is not None and metered[to] and not (on is not None and metered.get(on, False)),
        later=later,
        opened=tuple(tunnel.id.name for tunnel in branch.tunnels if tunnel.id not in kept),
        closed=tuple(tunnel.id.name for tunnel in was.tunnels if tunnel.id in going),
        restarted=restarts,
        live_before=_live(was, view),
        live_after=_live(branch, fresh),
    )


def _prediction(branch: Branch, view: View, now: Now, on: str | None) -> tuple[str | None, str]:
    """The tunnel that the branch would move to at once, and the one that it would return to later."""
    current = TunnelId(branch.name, on) if on is not None else None
    present = current if current in {tunnel.id for tunnel in branch.tunnels} else None
    steering = steerings(branch, view, now)[0]
    ranking = present_order(branch, view, now.monotonic, steering)
    choice = choose(ranking, present, steering, view, Now(now.monotonic, local(now, branch.timezone)))
    to = choice.tunnel.name if choice.tunnel is not None and choice.tunnel.name != on else None
    waiting = choice.reason in (Reason.HELD_BACK, Reason.WAITING_FOR_SESSION)
    return to, choice.detail if waiting else ""


def _on(branch: Branch, view: View) -> str | None:
    forwarding = carrying(branch, view)
    return forwarding.active.name if forwarding is not None and forwarding.active is not None else None


def _live(branch: Branch, view: View) -> int:
    return sum(view.liveness_of(tunnel.id).state is LivenessState.UP for tunnel in branch.tunnels)


def _guards(before: Intent, after: Intent, branches: list[BranchPlan]) -> tuple[str, ...]:
    guards = [
        f"{planned.branch} would be cut off: no tunnel that lives now would be left as it is"
        for planned in branches
        if planned.isolated
    ]
    total, gone = len(before.branches), len(before.branches.keys() - after.branches.keys())
    if total and gone == total:
        every = "the only branch" if total == 1 else f"all {total} branches"
        guards.append(f"{every} would be removed (is the directory complete?)")
    elif gone > max(1, MOST_REMOVED * total):
        guards.append(f"{gone} of {total} branches would be removed (is the directory complete?)")
    return tuple(guards)


def _digest(before: Intent, after: Intent, found: Plan) -> str:
    """The same in every process: a set has no order of its own, and its `repr` another one after a restart."""
    said = repr((_in_order(before), _in_order(after), found))
    return hashlib.sha256(said.encode()).hexdigest()[:DIGITS]


def _in_order(intent: Intent) -> tuple[Intent, list[object]]:
    branches, said = {}, list[object]()
    words: dict[int, dict[str, str]] = {}
    for name, branch in intent.branches.items():
        policy = branch.policy
        branches[name] = replace(branch, leaving=frozenset(), policy=replace(policy, rules=()))
        said.append(sorted(map(str, branch.leaving)))
        if policy.rules:
            if id(policy) not in words:
                words[id(policy)] = policy_facts(policy)
            said.append(words[id(policy)])
    return replace(intent, branches=branches), said
