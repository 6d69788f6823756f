"""The decision as a whole: what is announced, forwarded, watched and closed, in each situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from small_network import HUB, a_branch, a_network, moment

from policies.decide import CLOSE_AFTER, BranchDecision, decide, decide_branch
from policies.model.announcement import Announcement
from policies.model.clock import Instant, Now
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers
from policies.model.verdicts import Reason
from policies.model.view import (
    ARRIVES,
    ClassView,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    SessionState,
    SessionView,
    View,
)

NOW = Instant(1000.0)
BRANCH = a_branch()
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
HQ, LAN = HUB.prefixes[0], BRANCH.prefixes[0]
UP, DOWN = LivenessState.UP, LivenessState.DOWN


def session(med: int) -> SessionView:
    said = {HQ: Announcement(med)}
    heard = {LAN: Heard(Instant(1.0))}
    return SessionView(SessionState.UP, Instant(1.0), complete=True, sent=said, heard=heard, end_of_rib=True)


def view(
    *, on: str = "fiber", fiber: LivenessState = UP, fiber_since: float = 1.0, meds: tuple[int, int] = (1000, 1100)
) -> View:
    active = FIBER if on == "fiber" else WIRELESS
    return View(
        liveness={FIBER: LivenessView(fiber, Instant(fiber_since)), WIRELESS: LivenessView(UP, Instant(1.0))},
        sessions={FIBER: session(meds[0]), WIRELESS: session(meds[1])},
        classes={"bandung": ClassView("bandung", "bandung", active, (FIBER, WIRELESS), (LAN,), 3, Instant(2.0), "")},
        forwarder=True,
        speakers=frozenset({1}),
    )


def decided(believed: View, now: float = NOW) -> BranchDecision:
    return decide_branch(HUB, BRANCH, believed, {}, moment(now))


def meds(decision: BranchDecision) -> dict[str, int]:
    return {t.name: said[HQ].med for t, said in decision.announcements.items()}


def test_while_all_is_well_nothing_is_urgent_watched_or_closed() -> None:
    decision = decided(view())
    assert meds(decision) == {"fiber": 1000, "wireless": 1100}
    assert (decision.urgent, decision.look, decision.close) == (False, False, frozenset())
    assert decision.verdict.reason is Reason.PREFERRED


def test_after_a_death_only_the_survivor_is_told_and_it_is_urgent() -> None:
    decision = decided(view(on="wireless", fiber=DOWN, fiber_since=999.9))
    assert meds(decision) == {"wireless": 990}
    assert decision.urgent
    assert decision.verdict.survivor


def test_a_dead_tunnels_session_is_closed_once_the_survivors_have_been_told() -> None:
    dead = view(on="wireless", fiber=DOWN, fiber_since=999.9)
    assert decided(dead).close == frozenset()
    assert decided(dead).wake_at == Instant(999.9 + CLOSE_AFTER.total_seconds())
    assert decided(dead, 1001.0).close == {FIBER}


def test_a_branch_without_bfd_keeps_its_session_over_an_outage() -> None:
    icmp = LivenessTimers(LivenessMethod.ICMP, timedelta(milliseconds=50), 3)
    tunnels = tuple(replace(tunnel, liveness=Liveness(icmp, icmp)) for tunnel in BRANCH.tunnels)
    dead = view(on="wireless", fiber=DOWN, fiber_since=900.0)
    assert decide_branch(HUB, replace(BRANCH, tunnels=tunnels), dead, {}, moment(NOW)).close == frozenset()


def test_failback_makes_the_better_tunnel_better_first_and_watches() -> None:
    decision = decided(view(on="wireless", meds=(1000, 990)))
    assert meds(decision) == {"fiber": 1000, "wireless": 1100}
    assert not decision.urgent
    assert decision.classes["bandung"].active == WIRELESS


def test_nothing_is_given_back_before_a_death_of_the_better_tunnel_would_be_known() -> None:
    told = view(on="wireless", meds=(1000, 990))
    sessions = {**told.sessions, FIBER: replace(told.sessions[FIBER], sent_at=Instant(NOW - 0.01))}
    just_told = replace(told, sessions=sessions)
    assert meds(decided(just_told)) == {"fiber": 980, "wireless": 990}
    assert decided(just_told).wake_at == Instant(NOW - 0.01 + 0.15)


@pytest.mark.parametrize(
    "came_up",
    [
        LivenessView(UP, Instant(999.0), after_death=False, known_since=Instant(999.0)),
        LivenessView(UP, Instant(0.5), after_death=False, certain_since=Instant(999.0)),
    ],
    ids=["it came up", "it was told to be dead by a forwarder that no longer knows"],
)
def test_nothing_is_given_back_before_tcp_has_sent_again_what_a_dead_tunnel_swallowed(came_up: LivenessView) -> None:
    told = view(meds=(980, 990))
    older_session = replace(told, liveness={**told.liveness, FIBER: came_up})
    arrives = 999.0 + ARRIVES.total_seconds()
    assert meds(decided(older_session)) == {"fiber": 980, "wireless": 990}
    assert decided(older_session).wake_at == arrives
    assert meds(decided(older_session, arrives)) == {"fiber": 980, "wireless": 1100}


def test_the_return_path_is_watched_once_the_better_value_was_sent() -> None:
    assert not decided(view(on="wireless", meds=(1000, 990))).look
    assert decided(view(on="wireless", meds=(1000, 1100))).look


def test_without_a_forwarder_nothing_is_given_back() -> None:
    blind = replace(view(on="wireless", meds=(1000, 990)), forwarder=False)
    assert meds(decided(blind)) == {"fiber": 1000, "wireless": 990}


def test_a_controller_that_hears_exabgp_first_does_not_undo_a_failover() -> None:
    blind = replace(view(meds=(1000, 990)), forwarder=False, liveness={}, classes={})
    assert meds(decided(blind)) == {"fiber": 1000, "wireless": 990}


def test_the_hub_follows_when_the_branch_is_seen_to_have_moved() -> None:
    told = view(on="wireless", meds=(1000, 1100))
    first = decided(told)
    seen = replace(told, paths={("bandung", 4): PathSeen(FIBER, Instant(1000.1), Instant(1000.2))})
    later = decide_branch(HUB, BRANCH, seen, first.moves, moment(1000.3))
    assert later.classes["bandung"].active == FIBER
    assert later.classes["bandung"].based_on_epoch == 3


def test_a_tunnel_that_died_again_is_not_returned_to() -> None:
    moving = decided(view(on="wireless", meds=(1000, 990)))
    dead_again = view(on="wireless", fiber=DOWN, fiber_since=1000.0, meds=(1000, 1100))
    decision = decide_branch(HUB, BRANCH, dead_again, moving.moves, moment(1000.1))
    assert meds(decision) == {"wireless": 990}
    assert decision.classes["bandung"].active == WIRELESS


def test_before_the_branch_has_spoken_it_is_told_but_not_forwarded_to() -> None:
    silent = replace(view(), sessions={}, classes={})
    assert decided(silent).verdict.reason is Reason.NOTHING_HEARD
    assert not decided(silent).classes


def test_every_branch_prefix_is_unreachable_below_its_routes() -> None:
    other = replace(a_branch("bogor", number=2), prefixes=(ip_network("10.2.0.0/24"), ip_network("10.2.1.0/24")))
    now = Now(NOW, datetime(2026, 1, 1, tzinfo=UTC))
    decision, _ = decide(a_network(BRANCH, other), View(), {}, now)
    assert set(decision.desired.unreachable) == {LAN, *other.prefixes}


def test_the_same_belief_gives_the_same_decision() -> None:
    assert decided(view(on="wireless")) == decided(view(on="wireless"))


def test_a_tunnel_whose_exabgp_nobody_can_talk_to_is_spoken_for_by_another() -> None:
    branch = a_branch(tunnels=("fiber", "wireless", "lte"))
    fiber, *others = branch.tunnels
    lte, wireless = sorted(others, key=lambda tunnel: tunnel.id.name)
    split = replace(branch, tunnels=(fiber, replace(wireless, process=2), lte))
    believed = View(
        liveness={
            fiber.id: LivenessView(DOWN, Instant(999.0)),
            wireless.id: LivenessView(UP, Instant(1.0)),
            lte.id: LivenessView(UP, Instant(1.0)),
        },
        sessions={fiber.id: session(1000), wireless.id: session(1100), lte.id: session(1200)},
        forwarder=True,
        speakers=frozenset({1}),
    )
    decision = decide_branch(HUB, split, believed, {}, moment(NOW))
    assert decision.verdict.chosen == wireless.id
    assert meds(decision) == {"lte": 990}
    assert decision.urgent
