"""A plan foresees what the core would do: health by the new limits, steering by rules, overrides, holds and windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

from small_network import HUB_PREFIX, a_branch, a_network, a_tunnel, moment

from policies.health.course import Course, advance
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.health import HealthLimits, Limit, Metric
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.view import (
    ClassView,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    SessionState,
    SessionView,
    View,
)
from policies.plan import BranchPlan, Plan, plan
from policies.planning.outlook import PlannedMove

FIBER, WIRELESS = TunnelId("semarang", "fiber"), TunnelId("semarang", "wireless")
NOW = moment(1000.0)
ERP = ip_network("10.0.10.0/24")


def limits(loss: float) -> HealthLimits:
    return HealthLimits(
        (Limit(Metric.LOSS, loss, timedelta(seconds=5)),), (Limit(Metric.LOSS, loss / 2, timedelta(seconds=60)),)
    )


def judged_by(loss: float, branch: Branch) -> Branch:
    return replace(branch, policy=replace(branch.policy, health={"default": limits(loss)}))


SEMARANG = judged_by(0.03, a_branch("semarang"))
METERED = replace(
    SEMARANG, tunnels=(a_tunnel("semarang", "fiber", 8), a_tunnel("semarang", "wireless", 9, metered=True))
)


def session(med: int, branch: Branch) -> SessionView:
    return SessionView(
        SessionState.UP,
        Instant(2.0),
        complete=True,
        sent={HUB_PREFIX: Announcement(med)},
        heard={prefix: Heard(Instant(2.0)) for prefix in branch.prefixes},
        end_of_rib=True,
    )


def live(branch: Branch = SEMARANG, on: TunnelId = FIBER, **more: object) -> View:
    """Both tunnels live and have their sessions, the branch is on one of them, and answers over it."""
    up = LivenessView(LivenessState.UP, Instant(1.0), after_death=False)
    order = (on, *(t.id for t in branch.tunnels if t.id != on))
    view = View(
        liveness={tunnel.id: up for tunnel in branch.tunnels},
        sessions={tunnel.id: session(1000 + 100 * n, branch) for n, tunnel in enumerate(branch.tunnels)},
        classes={branch.name: ClassView(branch.name, branch.name, on, order, branch.prefixes, 1, Instant(1.0), "")},
        paths={(branch.name, 4): PathSeen(on, Instant(1.0), Instant(999.5))},
        forwarder=True,
        speakers=frozenset({1}),
    )
    return replace(view, **more)  # type: ignore[arg-type]


def measured(loss: float, by: HealthLimits | None = None) -> HealthMemory:
    """A tunnel that has lost so much for minutes, judged by limits of 3 % unless others are said."""
    memory, at = NOTHING_REMEMBERED, Instant(600.0)
    while at < NOW.monotonic:
        memory, at = advance(memory, Course(loss), by or limits(0.03), None, (), now=at, until=NOW.monotonic)
    return memory


def planned(
    before: Branch,
    after: Branch,
    view: View,
    memories: Mapping[TunnelId, HealthMemory] | None = None,
    now: Now = NOW,
    daily: Mapping[str, float] | None = None,
) -> Plan:
    return plan(a_network(before), a_network(after), view, now, memories, daily)


def of_semarang(found: Plan) -> BranchPlan:
    (branch,) = found.branches
    return branch


def moves(found: Plan) -> list[tuple[str | None, str]]:
    return [(move.on, move.to) for move in of_semarang(found).moves]


def only_move(found: Plan) -> PlannedMove:
    (move,) = of_semarang(found).moves
    return move


LOSSY = {FIBER: measured(0.024), WIRELESS: measured(0.0)}


def test_a_tunnel_that_passes_the_new_limit_is_left_which_is_expected_and_not_certain() -> None:
    found = planned(SEMARANG, judged_by(0.02, SEMARANG), live(), LOSSY)
    move = only_move(found)
    assert (move.on, move.to, move.because, move.expected, move.at_once) == (
        "fiber",
        "wireless",
        "2.4 % loss",
        True,
        False,
    )
    assert move.gentle
    assert of_semarang(found).to is None


def test_a_limit_that_no_tunnel_passes_changes_nothing_but_its_words() -> None:
    found = planned(SEMARANG, judged_by(0.029, SEMARANG), live(), LOSSY)
    assert (found.branches, found.unchanged, found.empty) == ((), 1, False)
    assert [change.what for change in found.silent[0].policy] == [
        "health default loss",
        "health default loss to return",
    ]
