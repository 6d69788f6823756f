"""What becomes of a situation when nothing more happens: the hub decides, the forwarder and the branch follow."""

from __future__ import annotations

from dataclasses import replace

from dice import Dice
from drawn_networks import LANS, network
from drawn_policies import MODES
from drawn_views import NOW, Situation, moment, moves, view

from policies.announced import announced_for
from policies.announcing import halves_of
from policies.model.clock import Instant, Now
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Intent
from policies.model.policy import FailbackMode
from policies.model.verdicts import Reason, Verdict
from policies.model.view import Heard, LivenessState, SessionState, SessionView, View
from policies.simulation.hub import SimulatedHub

LONG = 4 * 10 * 300.0 + 600.0
"""Seconds after which every hold has been met: for each tunnel that is a little better than the one before ten of the
longest, and what damping holds back."""
SOON = 0.5
ENOUGH = 300
"""Decisions within which it must be quiet."""


def calm(dice: Dice, modes: tuple[FailbackMode, ...] = MODES, *, fresh: bool = False) -> Situation:
    """A situation in which every live tunnel has its session, and everything runs.

    `fresh`: nothing was told or forwarded before.
    """
    intent = network(dice, modes)
    (branch,) = intent.branches.values()
    believed = view(dice, intent, living=(LivenessState.UP, LivenessState.UP, LivenessState.DOWN), connected=(True,))
    under_way = {} if fresh else moves(dice, branch)
    return Situation(intent, _with_sessions(believed, intent, fresh=fresh), under_way, moment(dice))


def _with_sessions(believed: View, intent: Intent, *, fresh: bool) -> View:
    (branch,) = intent.branches.values()
    sessions = {}
    for tunnel in branch.tunnels:
        was = believed.sessions[tunnel.id]
        up = believed.liveness_of(tunnel.id).state is LivenessState.UP
        heard = {lan: Heard(was.since) for lan in branch.prefixes if lan is LANS[0] or lan in was.heard}
        since = min(was.since, Instant(NOW - 30))
        if fresh:
            was = SessionView(sent={}, sent_before={}, replaced={})
        state = SessionState.UP if up else SessionState.DOWN
        sessions[tunnel.id] = replace(
            was, state=state, since=since, complete=up, heard=heard if up else {}, end_of_rib=up
        )
    return replace(believed, sessions=sessions, classes={} if fresh else believed.classes)


def settled(situation: Situation) -> SimulatedHub:
    """The hub after a long quiet, by a wall clock that stands still.

    Raises:
        AssertionError: it is never quiet.
    """
    hub = SimulatedHub(situation.hub, situation.branch, situation.view)
    now, end = NOW, NOW + LONG
    for _ in range(ENOUGH):
        if now >= end:
            return hub
        before = hub.view
        hub.decide(Now(now, situation.now.wall))
        changed = (hub.view.sessions, hub.view.classes) != (before.sessions, before.classes)
        assert hub.decision is not None
        under_way = any(verdict.reason is Reason.MOVING for verdict in parts(hub.decision.verdict))
        wake = hub.decision.wake_at
        soon = now + SOON
        now = Instant(soon if changed or under_way else max(soon, end if wake is None else wake))
    raise AssertionError(f"never quiet: {hub.decision.verdict if hub.decision is not None else None}")


def parts(verdict: Verdict) -> tuple[Verdict, ...]:
    """What was decided, of each traffic by itself."""
    return (replace(verdict, others=()), *verdict.others)


def carriers(hub: SimulatedHub, sources: tuple[Prefix, ...]) -> dict[Prefix, TunnelId | None]:
    """By which tunnel the hub's kernel sends answers from these sources, by the prefix of the branch."""
    return {
        prefix: known.active
        for known in hub.view.classes_of(hub.branch.name)
        if known.sources == sources
        for prefix in known.prefixes
    }


def branch_sends(hub: SimulatedHub, prefix: Prefix) -> set[TunnelId]:
    """By which live tunnels the branch sends to a prefix: those of the lowest MED; none where it has no route."""
    told = {
        tunnel.id: said[prefix].med
        for tunnel in hub.branch.tunnels
        if prefix in (said := hub.view.session_of(tunnel.id).sent)
        and hub.view.liveness_of(tunnel.id).state is LivenessState.UP
    }
    return {tunnel for tunnel, med in told.items() if med == min(told.values())}


def routes(hub: SimulatedHub, sources: tuple[Prefix, ...]) -> list[Prefix]:
    """The prefixes, and halves of prefixes, that steer the traffic of these sources at the branch."""
    every = announced_for(hub.hub, hub.branch, sources)
    named = {p for rule in hub.branch.policy.rules for p in rule.when.hub_prefixes}
    halves = [half for prefix in every for half in halves_of(prefix) if half not in named]
    return [*every, *(half for half in halves if branch_sends(hub, half))]
