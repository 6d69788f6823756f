"""decide: intent and view in, a desired state and its reasons out. Pure: no clock, no I/O, no memory of its own.

For each branch, and by itself for the traffic of each hub prefix that a rule names (steering), in this order:

1.  rank its tunnels (ranking)
2.  choose the one it should be on, given the one it is on (choice)
3.  if that is another one, take the next step of a planned move (moves)
4.  compute what each tunnel announces, so that the branch uses the chosen one (standings, survivor, announcing)
5.  compute its forwarding classes (forwarding)

The branch is told before the hub moves when the move is planned, and after when the old tunnel died: then the forwarder
has moved already. Knows nothing of BGP's wire or of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from policies.announced import announced_for
from policies.announcing import announcements, halves_of
from policies.choice import Choice, choose
from policies.forwarding import can_follow, carrying, class_orders, classes_due, settles_at
from policies.model.announcement import Announcement, Announcements
from policies.model.clock import NEVER, Instant, Now
from policies.model.desired import ClassOrder, Desired
from policies.model.ids import Address, Prefix, TunnelId, lies_within
from policies.model.intent import Branch, Hub, Intent, LivenessMethod, Mode
from policies.model.verdicts import Decision, Place, Reason, Verdict
from policies.model.view import LivenessState, SessionState, SessionView, View
from policies.moves import Move, Progress, Step, advance, blocked_until
from policies.ranking import present_order, session_grace_ends, standing_order
from policies.schedule import local
from policies.standings import arrives_at, came_late, is_best_told, is_survivor, standings_of
from policies.steering import Steering, changes_at, named_by_rules, steerings
from policies.survivor import Standing, spokesman, values

CLOSE_AFTER = timedelta(milliseconds=500)
"""How long after a death its session is closed: ExaBGP has announcements over the survivors to send first."""

Moves = Mapping[tuple[Prefix, ...], Move]
"""The planned moves of a branch that are under way, by the hub prefixes whose traffic moves."""
NO_MOVES: Moves = {}


@dataclass(frozen=True, slots=True)
class BranchDecision:
    """A BranchDecision is the part of a decision that concerns one branch."""

    verdict: Verdict
    announcements: Mapping[TunnelId, Announcements]
    urgent: bool
    classes: Mapping[str, ClassOrder]
    look: bool
    close: frozenset[TunnelId]
    wake_at: Instant | None
    moves: Moves = field(default_factory=dict)


def decide(intent: Intent, view: View, moves: Mapping[str, Moves], now: Now) -> tuple[Decision, Mapping[str, Moves]]:
    """The decision for every branch, and the moves under way after it."""
    decisions = {
        name: decide_branch(intent.hub, branch, view, moves.get(name, NO_MOVES), now)
        for name, branch in intent.branches.items()
    }
    return combine(intent, decisions), {n: d.moves for n, d in decisions.items() if d.moves}


def combine(intent: Intent, decisions: Mapping[str, BranchDecision]) -> Decision:
    """The decisions for all branches as one."""
    desired = Desired(
        announcements={t: said for d in decisions.values() for t, said in d.announcements.items()},
        urgent=frozenset(t for d in decisions.values() if d.urgent for t in d.announcements),
        classes={name: order for d in decisions.values() for name, order in d.classes.items()},
        unreachable=(
            *(p for branch in intent.branches.values() if branch.mode is Mode.ACT for p in branch.prefixes),
            *intent.hub.between_branches,
        ),
        look=frozenset(name for name, d in decisions.items() if d.look),
        close=frozenset(t for d in decisions.values() for t in d.close),
    )
    return Decision(
        desired, {n: d.verdict for n, d in decisions.items()}, _earliest(d.wake_at for d in decisions.values())
    )


def decide_branch(hub: Hub, branch: Branch, view: View, moves: Moves, now: Now) -> BranchDecision:
    """The decision for one branch; `moves` are the planned ones of it that were under way."""
    now = Now(now.monotonic, local(now, branch.timezone))
    parts = [
        _steered(hub, branch, steering, view, moves.get(steering.sources), now)
        for steering in steerings(branch, view, now)
    ]
    first, *others = parts
    if branch.mode is not Mode.ACT:
        return _only_said(branch, parts, view)
    return BranchDecision(
        verdict=replace(first.verdict, others=tuple(part.verdict for part in others)) if others else first.verdict,
        announcements=_together(parts, view) if others else first.announcements,
        urgent=any(part.urgent for part in parts),
        classes={name: order for part in parts for name, order in part.classes.items()},
        look=any(part.look for part in parts),
        close=frozenset(t for t, at in _closings(branch, view) if at <= now.monotonic),
        moves={part.verdict.sources: part.move for part in parts if part.move is not None},
        wake_at=_earliest(
            [
                *(part.wake_at for part in parts),
                *_grace_ends(branch, view, now.monotonic),
                *_closings_due(branch, view, now.monotonic),
                changes_at(branch, now),
            ]
        ),
    )


def _only_said(branch: Branch, parts: Sequence[_Part], view: View) -> BranchDecision:
    """What would be done, and nothing of it: sessions and classes stay as they are."""
    first, *others = parts
    kept = {
        known.name: ClassOrder(
            known.name,
            known.branch,
            known.prefixes,
            known.order,
            known.active,
            known.reason,
            known.epoch,
            known.sources,
        )
        for known in view.classes_of(branch.name)
    }
    return BranchDecision(
        verdict=replace(first.verdict, others=tuple(part.verdict for part in others), only_said=True),
        announcements={},
        urgent=False,
        classes=kept,
        look=False,
        close=frozenset(),
        wake_at=_earliest(part.wake_at for part in parts),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What is decided for the traffic of one steering."""

    verdict: Verdict
    prefixes: tuple[Prefix, ...]
    announcements: Mapping[TunnelId, Announcements]
    urgent: bool
    classes: Mapping[str, ClassOrder]
    look: bool
    move: Move | None
    wake_at: Instant | None


def _steered(hub: Hub, branch: Branch, steering: Steering, whole: View, move: Move | None, now: Now) -> _Part:
    prefixes = announced_for(hub, branch, steering.sources)
    view = _seen_by(hub, branch, steering, prefixes, whole)
    standing = standing_order(branch, steering)
    ranking = present_order(branch, view, now.monotonic, steering, standing)
    known = carrying(branch, view, steering.sources)
    # What is steered by itself from now on begins where all else is, and moves like all else.
    begins = known or carrying(branch, view)
    active = begins.active if begins is not None else None
    choice = choose(ranking, active, steering, view, now, begins.since if begins is not None else NEVER)
    standings = standings_of(branch, steering, standing, view, now.monotonic)
    if not can_follow(begins, choice.tunnel, branch, view, now.monotonic, steering.sources):
        choice = replace(choice, reason=Reason.PREFERRED, detail="over it the branch announces none of its prefixes")
    planned = _plan(branch, choice, active, move, standings, view, now.monotonic) if prefixes else _untold(choice)
    if planned.moving and planned.carrier == active:
        standings = [replace(s, left=s.tunnel == active) for s in standings]
    spoken = spokesman(standings, planned.chosen) if planned.chosen is not None else None
    meds = values(standings, spoken) if spoken is not None else {}
    survivor = is_survivor(standings, spoken, meds)
    classes = class_orders(branch, steering, view, ranking, planned.carrier, planned.choice.reason.value, now)
    settled = (Reason.PREFERRED, Reason.ONLY_USABLE)
    silent = not classes and known is None and planned.choice.reason in settled
    verdict = Verdict(
        branch=branch.name,
        active=active,
        chosen=planned.chosen,
        preferred=standing[0].id if standing else None,
        reason=Reason.NOTHING_HEARD if silent else planned.choice.reason,
        detail=planned.choice.detail,
        ranking=tuple(Place(r.tunnel, r.usability.name.lower().replace("_", " "), r.standing) for r in ranking),
        told=meds,
        survivor=survivor,
        next=_next(planned.choice),
        next_at=planned.choice.wake_at,
        sources=steering.sources,
        rule=steering.rule,
    )
    return _Part(
        verdict=verdict,
        prefixes=prefixes,
        announcements=announcements(
            prefixes,
            meds,
            standings,
            spoken,
            branch.policy.announce,
            view,
            apart=named_by_rules(branch),
            own={t.id: t.announce for t in branch.tunnels if t.announce is not None},
        ),
        urgent=survivor and not planned.moving,
        classes=classes,
        look=planned.watching and not steering.sources,
        move=planned.move,
        wake_at=_earliest(
            [planned.wake_at, *classes_due(classes.values(), planned.carrier, steering, view, ranking, now)]
        ),
    )


def _seen_by(hub: Hub, branch: Branch, steering: Steering, prefixes: tuple[Prefix, ...], view: View) -> View:
    """The view with of each session only what concerns this traffic.

    By which tunnel the branch sends to a hub prefix that a rule names is not probed: its moves go by time. And where a
    rule names what the probes come from, so do the others'.
    """
    named = named_by_rules(branch)
    if not named:
        return view
    halves = branch.policy.announce.more_specifics
    mine = {half for prefix in prefixes if halves for half in halves_of(prefix)} - named | set(prefixes)

    def of(session: SessionView) -> SessionView:
        return replace(
            session,
            sent={prefix: said for prefix, said in session.sent.items() if prefix in mine},
            sent_before={prefix: said for prefix, said in session.sent_before.items() if prefix in mine},
            replaced={prefix: one for prefix, one in session.replaced.items() if prefix in mine},
        )

    sessions = {t.id: of(view.sessions[t.id]) for t in branch.tunnels if t.id in view.sessions}
    paths = {} if steering.sources else {key: at for key, at in view.paths.items() if _is_probed(hub, named, key[1])}
    return view.narrowed(sessions, paths)


def _is_probed(hub: Hub, named: frozenset[Prefix], version: int) -> bool:
    """Whether return-path probes of this IP version go the way of what no rule names.

    They come from the hub's router id where it has that address, else from any address in what the hub announces: then
    they may come from what a rule names, if that is any part of it.
    """
    asked: Address = hub.router_id
    if version == asked.version and any(asked in prefix for prefix in hub.prefixes):
        return not any(asked in prefix for prefix in named)
    theirs = tuple(prefix for prefix in named if prefix.version == version)
    return not any(lies_within(prefix, theirs) or _has_any(prefix, theirs) for prefix in hub.prefixes)


def _has_any(prefix: Prefix, others: Iterable[Prefix]) -> bool:
    return any(lies_within(other, (prefix,)) for other in others)


def _together(parts: Sequence[_Part], view: View) -> Mapping[TunnelId, Announcements]:
    """All that is announced over each tunnel; where one part leaves a tunnel alone, what it was sent stays."""
    tunnels = {tunnel for part in parts for tunnel in part.announcements}
    every: dict[TunnelId, Announcements] = {}
    for tunnel in tunnels:
        sent = view.session_of(tunnel).sent
        whole: dict[Prefix, Announcement] = {}
        for part in parts:
            left_alone = {prefix: sent[prefix] for prefix in part.prefixes if prefix in sent}
            whole |= part.announcements.get(tunnel, left_alone)
        every[tunnel] = whole
    return every


@dataclass(frozen=True, slots=True)
class _Plan:
    """Whom the branch is to use, whom the hub uses, and the move between them if there is one."""

    choice: Choice
    chosen: TunnelId | None
    carrier: TunnelId | None
    move: Move | None
    moving: bool
    wake_at: Instant | None
    watching: bool = False


def _plan(
    branch: Branch,
    choice: Choice,
    active: TunnelId | None,
    move: Move | None,
    standings: list[Standing],
    view: View,
    now: Instant,
) -> _Plan:
    target = choice.tunnel
    if target is None or active is None or target == active or choice.reason is not Reason.MOVING:
        return _Plan(choice, target, target, _unless_expired(move, now), moving=False, wake_at=choice.wake_at)
    until = blocked_until(move, target, now)
    if until is not None:
        return _taken_back(choice, active, move, until)
    progress = advance(move, target, branch, view, now, told=is_best_told(standings, target))
    if progress.step is Step.TAKEN_BACK:
        return _taken_back(choice, active, progress.move, progress.wake_at)
    return _under_way(choice, active, target, progress)


def _untold(choice: Choice) -> _Plan:
    """Rules name all that is announced, so of the rest the branch is told nothing: the hub alone moves, at once."""
    return _Plan(choice, choice.tunnel, choice.tunnel, None, moving=False, wake_at=choice.wake_at)


def _under_way(choice: Choice, active: TunnelId, target: TunnelId, progress: Progress) -> _Plan:
    carrier = target if progress.step in (Step.MOVING, Step.BLIND) else active
    detail = f"to {target.name}: {progress.step.value}"
    watching = progress.step in (Step.SEEING, Step.MOVING)
    told = replace(choice, detail=detail, wake_at=None)
    return _Plan(told, target, carrier, progress.move, moving=True, wake_at=progress.wake_at, watching=watching)


def _taken_back(choice: Choice, active: TunnelId, move: Move | None, until: Instant | None) -> _Plan:
    told = replace(choice, reason=Reason.TAKEN_BACK, wake_at=until)
    return _Plan(told, active, active, move, moving=False, wake_at=until)


def _unless_expired(move: Move | None, now: Instant) -> Move | None:
    return move if move is not None and move.refused_until > now else None


def _closings(branch: Branch, view: View) -> Iterable[tuple[TunnelId, Instant]]:
    """Sessions older than the hard death of their tunnel, and when to close them.

    While they look alive, the branch's reconnection is refused. Only where the branch runs BFD: without it the branch
    keeps its session over a short outage, and so do we.
    """
    for tunnel in branch.tunnels:
        liveness, session = view.liveness_of(tunnel.id), view.session_of(tunnel.id)
        dead = liveness.state is LivenessState.DOWN and liveness.hard
        stale = session.state is SessionState.UP and session.since < liveness.since
        if dead and stale and tunnel.liveness.active.method is LivenessMethod.BFD:
            yield tunnel.id, Instant(liveness.since + CLOSE_AFTER.total_seconds())


def _closings_due(branch: Branch, view: View, now: Instant) -> Iterable[Instant]:
    return (at for _, at in _closings(branch, view) if at > now)


def _grace_ends(branch: Branch, view: View, now: Instant) -> Iterable[Instant]:
    for tunnel in branch.tunnels:
        session = view.session_of(tunnel.id)
        arrives = arrives_at(tunnel, view.liveness_of(tunnel.id), session)
        if session.state is SessionState.UP and arrives > now:
            yield arrives
        if session.state is SessionState.DOWN and session_grace_ends(session) > now:
            yield session_grace_ends(session)
        if session.state is SessionState.UP and not session.end_of_rib and settles_at(session) > now:
            yield settles_at(session)
        yield from (at for at in map(came_late, session.replaced.values()) if at > now)


def _next(choice: Choice) -> str:
    if choice.wake_at is None:
        return ""
    match choice.reason:
        case Reason.HELD_BACK:
            return f"{choice.detail} may carry again after its hold"
        case Reason.DAMPED:
            return f"{choice.detail} may carry again when it has been calm for long enough"
        case Reason.OUTSIDE_WINDOW:
            return f"the window opens, and {choice.detail} may carry again"
        case Reason.LEAST_BAD:
            return f"{choice.detail} is gone to if it is still less bad"
        case Reason.PREFERRED:
            return "a better tunnel may carry again"
        case Reason.TAKEN_BACK:
            return f"the move to {choice.detail} is tried again"
        case _:
            return ""


def _earliest(instants: Iterable[Instant | None]) -> Instant | None:
    return min((i for i in instants if i is not None), default=None)
