"""decide: intent and view in, a desired state and its reasons out. Pure: no clock, no I/O, no memory of its own.

For each branch, in this order:

1.  rank its tunnels (ranking)
2.  choose the one it should be on, given the one it is on (choice)
3.  if that is another one, take the next step of a planned move (moves)
4.  compute what each tunnel announces, so that the branch uses the chosen one (survivor)
5.  compute its forwarding classes (forwarding)

The branch is told before the hub moves when the move is planned, and after when the old tunnel died: then the forwarder
has moved already. Knows nothing of BGP's wire or of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache

from policies.choice import Choice, choose
from policies.forwarding import carrying, class_orders, settles_at
from policies.model.announcement import Announcement, Announcements
from policies.model.clock import Instant, Now
from policies.model.desired import ClassOrder, Desired
from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Branch, Hub, Intent, LivenessMethod, Tunnel
from policies.model.verdicts import Decision, Place, Reason, Verdict
from policies.model.view import ARRIVES, LivenessState, LivenessView, SessionState, SessionView, View
from policies.moves import Move, Progress, Step, advance, blocked_until
from policies.preference import standing_med
from policies.ranking import present_order, session_grace_ends, standing_order
from policies.survivor import Standing, spokesman, values

CLOSE_AFTER = timedelta(milliseconds=500)
"""How long after a death its session is closed: ExaBGP has announcements over the survivors to send first."""


@dataclass(frozen=True, slots=True)
class BranchDecision:
    """A BranchDecision is the part of a decision that concerns one branch."""

    verdict: Verdict
    announcements: Mapping[TunnelId, Announcements]
    urgent: bool
    classes: Mapping[str, ClassOrder]
    look: bool
    close: frozenset[TunnelId]
    move: Move | None
    wake_at: Instant | None


def decide(intent: Intent, view: View, moves: Mapping[str, Move], now: Now) -> tuple[Decision, Mapping[str, Move]]:
    """The decision for every branch, and the moves under way after it."""
    decisions = {
        name: decide_branch(intent.hub, branch, view, moves.get(name), now.monotonic)
        for name, branch in intent.branches.items()
    }
    return combine(intent, decisions), {n: d.move for n, d in decisions.items() if d.move is not None}


def combine(intent: Intent, decisions: Mapping[str, BranchDecision]) -> Decision:
    """The decisions for all branches as one."""
    desired = Desired(
        announcements={t: said for d in decisions.values() for t, said in d.announcements.items()},
        urgent=frozenset(t for d in decisions.values() if d.urgent for t in d.announcements),
        classes={name: order for d in decisions.values() for name, order in d.classes.items()},
        unreachable=(
            *(p for branch in intent.branches.values() for p in branch.prefixes),
            *intent.hub.between_branches,
        ),
        look=frozenset(name for name, d in decisions.items() if d.look),
        close=frozenset(t for d in decisions.values() for t in d.close),
    )
    return Decision(
        desired, {n: d.verdict for n, d in decisions.items()}, _earliest(d.wake_at for d in decisions.values())
    )


def decide_branch(hub: Hub, branch: Branch, view: View, move: Move | None, now: Instant) -> BranchDecision:
    """The decision for one branch; `move` is the planned move of it that was under way."""
    ranking = present_order(branch, view, now)
    known = carrying(branch, view)
    active = known.active if known is not None else None
    choice = choose(ranking, active, branch.policy.failback, view, now)
    standings = _standings(branch, view, now)
    planned = _plan(branch, choice, active, move, standings, view, now)
    spoken = spokesman(standings, planned.chosen) if planned.chosen is not None else None
    meds = values(standings, spoken) if spoken is not None else {}
    classes = class_orders(branch, view, ranking, planned.carrier, planned.choice.reason.value, now)
    settled = (Reason.PREFERRED, Reason.ONLY_USABLE)
    silent = not classes and known is None and planned.choice.reason in settled
    survivor = _is_survivor(standings, spoken, meds)
    told = announced_to(hub, branch)
    verdict = Verdict(
        branch=branch.name,
        active=active,
        chosen=planned.chosen,
        preferred=standing_order(branch)[0].id if branch.tunnels else None,
        reason=Reason.NOTHING_HEARD if silent else planned.choice.reason,
        detail=planned.choice.detail,
        ranking=tuple(Place(r.tunnel, r.usability.name.lower().replace("_", " "), r.standing) for r in ranking),
        told=meds,
        survivor=survivor,
        next=_next(planned.choice),
        next_at=planned.choice.wake_at,
    )
    return BranchDecision(
        verdict=verdict,
        announcements={t: dict.fromkeys(told, Announcement(med)) for t, med in meds.items()},
        urgent=survivor and not planned.moving,
        classes=classes,
        look=planned.watching,
        close=frozenset(t for t, at in _closings(branch, view) if at <= now),
        move=planned.move,
        wake_at=_earliest([planned.wake_at, *_grace_ends(branch, view, now), *_closings_due(branch, view, now)]),
    )


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
    progress = advance(move, target, branch, view, now, told=_is_best_told(standings, target))
    if progress.step is Step.TAKEN_BACK:
        return _taken_back(choice, active, progress.move, progress.wake_at)
    return _under_way(choice, active, target, progress)


def _under_way(choice: Choice, active: TunnelId, target: TunnelId, progress: Progress) -> _Plan:
    carrier = target if progress.step in (Step.MOVING, Step.BLIND) else active
    detail = f"to {target.name}: {progress.step.value}"
    watching = progress.step in (Step.SEEING, Step.MOVING)
    told = replace(choice, detail=detail)
    return _Plan(told, target, carrier, progress.move, moving=True, wake_at=progress.wake_at, watching=watching)


def _taken_back(choice: Choice, active: TunnelId, move: Move | None, until: Instant | None) -> _Plan:
    told = replace(choice, reason=Reason.TAKEN_BACK, wake_at=until)
    return _Plan(told, active, active, move, moving=False, wake_at=until)


def _unless_expired(move: Move | None, now: Instant) -> Move | None:
    return move if move is not None and move.refused_until > now else None


def _standings(branch: Branch, view: View, now: Instant) -> list[Standing]:
    return [
        _standing(tunnel, standing_med(branch.policy.announce, place), view, now)
        for place, tunnel in enumerate(standing_order(branch))
    ]


def _standing(tunnel: Tunnel, med: int, view: View, now: Instant) -> Standing:
    liveness, session = view.liveness_of(tunnel.id), view.session_of(tunnel.id)
    # A session whose ExaBGP nobody can talk to stands, but says nothing new.
    up = session.state is SessionState.UP and tunnel.process in view.speakers
    return Standing(
        tunnel=tunnel.id,
        med=med,
        alive=view.forwarder and liveness.state is LivenessState.UP,
        dead=liveness.state is LivenessState.DOWN,
        session_up=up,
        complete=session.complete,
        sent=min((said.med for said in session.sent.values()), default=None) if up else None,
        highest_sent=max((said.med for said in session.sent.values()), default=None) if up else None,
        lowest_held=session.lowest_held,
        arrived=_arrives_at(tunnel, liveness, session) <= now,
    )


def _arrives_at(tunnel: Tunnel, liveness: LivenessView, session: SessionView) -> Instant:
    """From when on what was sent last over a tunnel that still lives is known to be at its branch.

    The tunnel must have lived then, and a session that is older than the tunnel's life has TCP's retransmission to
    wait for.
    """
    slowest = max(tunnel.liveness.active.detection_time, tunnel.liveness.idle.detection_time)
    lived = Instant(session.sent_at + slowest.total_seconds())
    lives_since = max(liveness.since, liveness.certain_since)
    if session.since >= lives_since:
        return lived
    return max(lived, Instant(lives_since + ARRIVES.total_seconds()))


def _is_best_told(standings: list[Standing], target: TunnelId) -> bool:
    """Whether the branch was sent values by which the target is the best that it may hold."""
    told = next((s for s in standings if s.tunnel == target), None)
    held = [s.lowest_held for s in standings if s.tunnel != target and s.lowest_held is not None]
    return told is not None and all(told.beats(value) for value in held) and told.sent is not None


def _is_survivor(standings: list[Standing], chosen: TunnelId | None, meds: Mapping[TunnelId, int]) -> bool:
    return any(s.tunnel == chosen and chosen in meds and meds[chosen] < s.med for s in standings)


def announced_to(hub: Hub, branch: Branch) -> tuple[Prefix, ...]:
    """The prefixes that a branch is told of, in the order in which they are written; never one of its own."""
    return _announced_beside(hub.prefixes, hub.between_branches, branch.prefixes)


@lru_cache(maxsize=4096)
def _announced_beside(
    prefixes: tuple[Prefix, ...], between_branches: tuple[Prefix, ...], own: tuple[Prefix, ...]
) -> tuple[Prefix, ...]:
    """Remembered: of 1,000 prefixes it is most of what a decision for a branch takes, and failovers wait for that."""
    versions = {prefix.version for prefix in own}
    every = dict.fromkeys((*prefixes, *between_branches))
    return tuple(prefix for prefix in every if prefix.version in versions and not lies_within(prefix, own))


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
        arrives = _arrives_at(tunnel, view.liveness_of(tunnel.id), session)
        if session.state is SessionState.UP and arrives > now:
            yield arrives
        if session.state is SessionState.DOWN and session_grace_ends(session) > now:
            yield session_grace_ends(session)
        if session.state is SessionState.UP and not session.end_of_rib and settles_at(session) > now:
            yield settles_at(session)


def _next(choice: Choice) -> str:
    if choice.wake_at is None:
        return ""
    match choice.reason:
        case Reason.HELD_BACK:
            return f"{choice.detail} may carry again after its hold"
        case Reason.TAKEN_BACK:
            return f"the move to {choice.detail} is tried again"
        case _:
            return ""


def _earliest(instants: Iterable[Instant | None]) -> Instant | None:
    return min((i for i in instants if i is not None), default=None)
