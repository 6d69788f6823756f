"""plan: what a changed configuration would do, said before anything is done. Pure.

The core itself is asked, with the live state and the changed configuration (policies.planning). What would come without
the change as well is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from policies.changes import (
    Change,
    branch_changes,
    guard_changes,
    hub_changes,
    policy_changes,
    program_changes,
    sign_changes,
)
from policies.forwarding import carrying
from policies.health.against import Sizes
from policies.model.announcement import Announcements
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Mode
from policies.model.view import LivenessState, View
from policies.observe import without_strangers
from policies.planning.differences import announcements, rankings, routes
from policies.planning.guards import NO_BLAST, Blast, guarded
from policies.planning.health import Memories, foreseen
from policies.planning.made_anew import Passing, coming_back, passing
from policies.planning.outlook import Outlook, PlannedMove, of_branch, outlook
from policies.policy_words import policy_facts
from policies.transition import leaving_tunnels, restarting_sessions

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

    `on` is the tunnel that carries it now, `moves` what would leave a tunnel, at once or later. `changes` are of the
    branch itself, `policy` of its policy; `ranking`, `announcements` and `routes` are what differs once all is done.
    `opened`, `closed` and `restarted` are names of tunnels whose sessions are. `live_before` and `live_after` count
    live tunnels. `daily` is the branch's traffic in bytes a day, None where it is not known. `script` is what is
    supposed of a policy script, "" where there is none.
    """

    branch: str
    kind: Kind
    changes: tuple[Change, ...] = ()
    policy: tuple[Change, ...] = ()
    ranking: tuple[Change, ...] = ()
    announcements: tuple[Change, ...] = ()
    routes: tuple[Change, ...] = ()
    on: str | None = None
    moves: tuple[PlannedMove, ...] = ()
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    live_before: int = 0
    live_after: int = 0
    daily: float | None = None
    script: str = ""
    overrides: tuple[object, ...] = ()
    """What operators and scripts say of it, by which this was reckoned."""

    @property
    def to(self) -> str | None:
        """The tunnel that it moves to at once; None when it stays for now."""
        return next((move.to for move in self.moves if move.at_once and not move.sources), None)

    @property
    def later(self) -> str:
        """The tunnel that it moves to later, "" for none."""
        return next((move.to for move in self.moves if not move.at_once and not move.sources), "")

    @property
    def to_metered(self) -> bool:
        """Whether traffic moves to a metered line, now or later."""
        return any(move.metered for move in self.moves)

    @property
    def isolated(self) -> bool:
        """Whether it can be reached now and no tunnel that is known to live would be left."""
        return self.kind is Kind.CHANGED and self.live_before > 0 and self.live_after == 0

    @property
    def on_one_path(self) -> bool:
        """Whether one live tunnel is left of several."""
        return self.kind is Kind.CHANGED and self.live_before > 1 and self.live_after == 1

    @property
    def says_nothing(self) -> bool:
        """Whether only the words of its policy differ, and nothing would be done otherwise."""
        done = (self.changes, self.ranking, self.announcements, self.routes, self.moves, self.restarted)
        return self.kind is Kind.CHANGED and not any(done)


@dataclass(frozen=True, slots=True)
class Plan:
    """A Plan is all that would happen; its `id` is another whenever that, or what it is reckoned from, is another."""

    id: str
    hub: tuple[Change, ...] = ()
    branches: tuple[BranchPlan, ...] = ()
    unchanged: int = 0
    guards: tuple[str, ...] = field(default=())
    """What must be forced."""
    silent: tuple[BranchPlan, ...] = ()
    """Branches of which only the words of the policy differ; they are among the unchanged ones."""
    blast: Blast = NO_BLAST
    blind: bool = False
    """Whether the forwarder does not answer, so that nobody can say what would move."""
    programs: tuple[Change, ...] = ()
    """Files of scripts and checks whose text differs: what they will say is not foreseen."""

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not any((self.hub, self.branches, self.silent, self.programs))


def plan(
    before: Intent,
    after: Intent,
    view: View,
    now: Now,
    memories: Memories | None = None,
    daily: Mapping[str, float] | None = None,
    sizes: Sizes | None = None,
) -> Plan:
    """What would happen if `after` took the place of `before` now.

    `memories` are those of the tunnels' health, `sizes` what was found of the size of packets that pass them, `daily`
    the bytes a day of the branches of which they are known.
    """
    restarting = restarting_sessions(before, after)
    scene = _Scene(before, after, view, now, memories or {}, sizes or {}, daily or {}, restarting)
    planned = [
        *(_added(branch) for name, branch in after.branches.items() if name not in before.branches),
        *(_removed(branch, view) for name, branch in before.branches.items() if name not in after.branches),
    ]
    for name, branch in after.branches.items():
        was = before.branches.get(name)
        if was is not None and (was != branch or before.hub != after.hub):
            planned.append(_changed(was, branch, scene))
    planned.sort(key=lambda each: each.branch)
    said = tuple(each for each in planned if not each.says_nothing)
    silent = tuple(each for each in planned if each.says_nothing and each.policy)
    hub = (
        *hub_changes(before.hub, after.hub),
        *guard_changes(before.guards, after.guards),
        *sign_changes(before.shared_fate, after.shared_fate),
    )
    blast = _blast(said)
    return Plan(
        id=_digest(before, after, said, blind=not view.forwarder),
        hub=hub,
        branches=said,
        unchanged=len(after.branches) - sum(each.kind is not Kind.REMOVED for each in said),
        guards=guarded(before, after, blast),
        silent=silent,
        blast=blast,
        blind=not view.forwarder,
        programs=program_changes(before.programs, after.programs),
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all branches are planned by."""

    before: Intent
    after: Intent
    view: View
    now: Now
    memories: Memories
    sizes: Sizes
    daily: Mapping[str, float]
    restarting: frozenset[TunnelId]


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


def _changed(was: Branch, branch: Branch, scene: _Scene) -> BranchPlan:
    going = {tunnel.id for tunnel in leaving_tunnels(was, branch)}
    kept = {tunnel.id for tunnel in was.tunnels} - going
    present = of_branch(scene.view, was)
    # Of what is another tunnel by then, or another script, nothing is known.
    fresh = without_strangers(present, frozenset(t.id for t in branch.tunnels) & kept, frozenset({branch.name}))
    if was.policy.script != branch.policy.script:
        fresh = replace(fresh, adjustments={})
    then = outlook(scene.before.hub, was, present, {}, scene.now)
    passes = _passing(was, branch, present, scene)
    fresh = replace(fresh, classes=passes.classes)
    health = foreseen(branch, scene.memories, scene.sizes, fresh, scene.now)
    comes = outlook(scene.after.hub, branch, fresh, health, scene.now)
    back = coming_back(scene.after.hub, branch, fresh, health, passes, scene.now)
    anyway = {(move.sources, move.on, move.to) for move in then.moves}
    moves = [m for m in (*passes.moves, *comes.moves) if passes.leaves(m) or (m.sources, m.on, m.to) not in anyway]
    acts = Mode.ACT in (was.mode, branch.mode)
    return BranchPlan(
        branch.name,
        Kind.CHANGED,
        branch_changes(was, branch),
        policy_changes(was.policy, branch.policy),
        ranking=rankings(then.decision.verdict, comes.decision.verdict),
        announcements=announcements(was, branch, _told(was, then, present), _told(branch, comes, fresh)),
        routes=routes(then.classes, comes.classes) if acts else (),
        on=_on(was, scene.view),
        moves=(*moves, *back),
        opened=tuple(tunnel.id.name for tunnel in branch.tunnels if tunnel.id not in kept),
        closed=tuple(tunnel.id.name for tunnel in was.tunnels if tunnel.id in going),
        restarted=tuple(tunnel.id.name for tunnel in branch.tunnels if tunnel.id in scene.restarting),
        live_before=_live(was, present),
        live_after=_live(branch, fresh),
        daily=scene.daily.get(branch.name),
        script=_script(was, branch, fresh, scene),
        overrides=_said_of(branch, fresh),
    )


def _passing(was: Branch, branch: Branch, present: View, scene: _Scene) -> Passing:
    health = foreseen(branch, scene.memories, scene.sizes, present, scene.now)
    return passing(scene.after.hub, was, branch, present, health, scene.now)


def _told(branch: Branch, seen: Outlook, view: View) -> Mapping[TunnelId, Announcements]:
    """What each tunnel tells; one that a decision leaves alone tells what it did."""
    return {t.id: seen.decision.announcements.get(t.id, view.session_of(t.id).sent) for t in branch.tunnels}


def _script(was: Branch, branch: Branch, view: View, scene: _Scene) -> str:
    """What is supposed of the script: nobody runs it for a plan."""
    script = branch.policy.script
    if script is None:
        return ""
    if script != was.policy.script:
        return f"without {script}, which has not been asked yet"
    if scene.before.script_of(was) != scene.after.script_of(branch):
        return f"by the last answer of {script}, which changes: what it will say is not foreseen"
    return f"by the last answer of {script}" + ("" if view.scripted(branch.name) else ", which sets nothing")


def _said_of(branch: Branch, view: View) -> tuple[object, ...]:
    said = view.overridden(branch.name)
    drained = tuple(sorted(map(str, said.drained)))
    return drained, said.switched, said.frozen, said.go_back, view.scripted(branch.name)


def _on(branch: Branch, view: View) -> str | None:
    forwarding = carrying(branch, view)
    return forwarding.active.name if forwarding is not None and forwarding.active is not None else None


def _live(branch: Branch, view: View) -> int:
    return sum(view.liveness_of(tunnel.id).state is LivenessState.UP for tunnel in branch.tunnels)


def _blast(branches: tuple[BranchPlan, ...]) -> Blast:
    metered = tuple(each for each in branches if each.to_metered)
    return Blast(
        moved=tuple(each.branch for each in branches if any(move.comes for move in each.moves)),
        one_path=tuple(each.branch for each in branches if each.on_one_path),
        isolated=tuple(each.branch for each in branches if each.isolated),
        metered=tuple(each.branch for each in metered),
        bytes_a_day=sum(each.daily for each in metered if each.daily is not None),
        unknown=tuple(each.branch for each in metered if each.daily is None),
    )


def _digest(before: Intent, after: Intent, branches: tuple[BranchPlan, ...], *, blind: bool = False) -> str:
    """The same in every process: a set has no order of its own, and its `repr` another one after a restart.

    Figures that are never twice the same, as of loss and of time, are no part of it; what follows from them is.
    """
    stable = [(replace(each, moves=(), daily=None), [move.way for move in each.moves]) for each in branches]
    said = repr((_in_order(before), _in_order(after), stable, blind))
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
