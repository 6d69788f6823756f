"""The decision as a whole: what is announced, forwarded, watched and closed, in each situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from small_network import HUB, a_branch, a_network, moment

from policies.decide import CLOSE_AFTER, BranchDecision, decide, decide_branch
from policies.model.announcement import GRACEFUL_SHUTDOWN, Announcement
from policies.model.clock import Instant, Now
from policies.model.health import HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers, Mode
from policies.model.overrides import InForce
from policies.model.policy import Condition, Rule, RuleChange
from policies.model.verdicts import Reason
from policies.model.view import (
    ARRIVES,
    ClassView,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    Replaced,
    SessionState,
    SessionView,
    View,
)
from policies.moves import Move

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


ERP = ip_network("10.0.10.0/24")
RULE = Rule("copies", Condition(hub_prefixes=(ERP,)), RuleChange(prefer=("wireless", "fiber")))
RULED = replace(BRANCH, policy=replace(BRANCH.policy, rules=(RULE,)))


def ruled(believed: View) -> BranchDecision:
    return decide_branch(HUB, RULED, believed, {}, moment(NOW))


def both_sent(fiber: tuple[int, int], wireless: tuple[int, int]) -> dict[TunnelId, SessionView]:
    def said(meds: tuple[int, int]) -> SessionView:
        return replace(session(meds[0]), sent={HQ: Announcement(meds[0]), ERP: Announcement(meds[1])})

    return {FIBER: said(fiber), WIRELESS: said(wireless)}


def test_a_rule_for_a_hub_prefix_has_values_and_a_class_of_its_own() -> None:
    kernel = ClassView("bandung:from 10.0.10.0/24", "bandung", WIRELESS, (WIRELESS, FIBER), (LAN,), 1, NOW, "", (ERP,))
    believed = view()
    classes = {**believed.classes, kernel.name: kernel}
    decision = ruled(replace(believed, sessions=both_sent((1000, 1100), (1100, 1000)), classes=classes))
    assert decision.announcements == {
        FIBER: {HQ: Announcement(1000), ERP: Announcement(1100)},
        WIRELESS: {HQ: Announcement(1100), ERP: Announcement(1000)},
    }
    assert {(c.sources, c.active) for c in decision.classes.values()} == {((), FIBER), ((ERP,), WIRELESS)}
    assert decision.verdict.sources == ()
    (copies,) = decision.verdict.others
    assert (copies.sources, copies.rule, copies.chosen) == ((ERP,), "copies", WIRELESS)


def test_a_rule_that_is_new_begins_where_everything_else_is_and_moves_from_there() -> None:
    decision = ruled(view())
    assert {(c.sources, c.active) for c in decision.classes.values()} == {((), FIBER), ((ERP,), FIBER)}
    assert decision.verdict.others[0].reason is Reason.MOVING


def test_a_rule_for_an_ip_version_in_which_the_branch_announces_nothing_moves_nothing() -> None:
    of_version_6 = ip_network("2001:db8::/48")
    rule = replace(RULE, when=Condition(hub_prefixes=(of_version_6,)))
    prefixes = (LAN, ip_network("2001:db8:1::/56"))
    branch = replace(BRANCH, prefixes=prefixes, policy=replace(BRANCH.policy, rules=(rule,)))
    decision = decide_branch(replace(HUB, prefixes=(HQ, of_version_6)), branch, view(), {}, moment(NOW))
    (copies,) = decision.verdict.others
    assert (copies.chosen, copies.reason, decision.moves) == (WIRELESS, Reason.NOTHING_HEARD, {})


def test_both_leave_a_dead_tunnel_and_each_beats_only_its_own_values() -> None:
    dead = view(on="wireless", fiber=DOWN, fiber_since=999.9)
    decision = ruled(replace(dead, sessions=both_sent((1000, 1100), (1100, 1000))))
    assert decision.announcements == {WIRELESS: {HQ: Announcement(990), ERP: Announcement(1000)}}
    assert decision.urgent


def test_where_rules_name_all_that_is_announced_the_rest_moves_at_once() -> None:
    """Nothing is told the branch of it: there is nothing to wait for."""
    rule = Rule("all of it", Condition(hub_prefixes=(HQ,)), RuleChange())
    branch = replace(BRANCH, policy=replace(BRANCH.policy, rules=(rule,)))
    decision = decide_branch(HUB, branch, view(on="wireless", meds=(1000, 1100)), {}, moment(NOW))
    assert decision.classes["bandung"].active == FIBER
    assert () not in decision.moves


@pytest.mark.parametrize(("named", "moves"), [("10.0.10.0/24", False), ("10.0.0.0/24", True)])
def test_where_a_rule_names_what_probes_come_from_the_rest_moves_by_time(named: str, moves: bool) -> None:
    """The branch answers them by the rule's way, which says nothing of the others'."""
    branch = replace(
        BRANCH,
        policy=replace(BRANCH.policy, rules=(Rule("it", Condition(hub_prefixes=(ip_network(named),)), RuleChange()),)),
    )
    elsewhere = {("bandung", 4): PathSeen(WIRELESS, Instant(1.0), Instant(NOW - 0.1))}
    believed = replace(view(on="wireless", meds=(1000, 1100)), paths=elsewhere)
    under_way = {(): Move(FIBER, Instant(NOW - 2), told=Instant(NOW - 1.5))}
    decision = decide_branch(HUB, branch, believed, under_way, moment(NOW))
    assert (decision.classes["bandung"].active == FIBER) is moves


@pytest.mark.parametrize(("named", "moves"), [("2001:db8::/56", True), ("10.0.10.0/24", False)])
def test_where_a_rule_names_a_part_of_what_probes_may_come_from_the_rest_moves_by_time(named: str, moves: bool) -> None:
    """Of IPv6 it is not known which of the hub's addresses they come from: it may be one of the rule's."""
    whole, lan = ip_network("2001:db8::/48"), ip_network("fd00:1::/56")
    rule = Rule("it", Condition(hub_prefixes=(ip_network(named),)), RuleChange())
    branch = replace(BRANCH, prefixes=(lan,), policy=replace(BRANCH.policy, rules=(rule,)))
    believed = view(on="wireless", meds=(1000, 1100))
    heard = {lan: Heard(Instant(1.0))}
    believed = replace(
        believed,
        sessions={t: replace(s, sent={whole: s.sent[HQ]}, heard=heard) for t, s in believed.sessions.items()},
        classes={"bandung": replace(believed.classes["bandung"], prefixes=(lan,))},
        paths={("bandung", 6): PathSeen(WIRELESS, Instant(1.0), Instant(NOW - 0.1))},
    )
    under_way = {(): Move(FIBER, Instant(NOW - 2), told=Instant(NOW - 1.5))}
    decision = decide_branch(replace(HUB, prefixes=(HQ, whole)), branch, believed, under_way, moment(NOW))
    assert (decision.classes["bandung"].active == FIBER) is moves


def test_where_the_branch_announces_nothing_over_the_chosen_tunnel_nothing_is_moving() -> None:
    believed = view(on="wireless", meds=(1000, 1100))
    believed = replace(believed, sessions={**believed.sessions, FIBER: replace(session(1000), heard={})})
    decision = decided(believed)
    assert (decision.verdict.chosen, decision.verdict.reason, decision.moves) == (FIBER, Reason.PREFERRED, {})
    assert decision.classes["bandung:wireless"].active == WIRELESS


def test_where_the_hub_cannot_follow_the_end_of_a_hold_is_still_waited_for() -> None:
    branch = a_branch(tunnels=("fiber", "wireless", "lte"))
    fiber, wireless, lte = (tunnel.id for tunnel in branch.tunnels)
    silent = replace(session(1000), heard={})
    kernel = ClassView("bandung", "bandung", lte, (lte,), (LAN,), 1, Instant(2.0), "")
    believed = View(
        liveness={t: LivenessView(UP, Instant(1.0)) for t in (wireless, lte)}
        | {fiber: LivenessView(UP, Instant(NOW - 10), after_death=True)},
        sessions={fiber: silent, wireless: silent, lte: session(1200)},
        classes={"bandung": kernel},
        forwarder=True,
        speakers=frozenset({1}),
    )
    decision = decide_branch(HUB, branch, believed, {}, moment(NOW))
    assert (decision.verdict.chosen, decision.classes["bandung:lte"].active) == (wireless, lte)
    assert (decision.wake_at, decision.verdict.next) == (Instant(NOW + 50), "a better tunnel may carry again")


def test_where_one_of_them_says_nothing_over_a_tunnel_what_it_was_sent_stays() -> None:
    kernel = ClassView("erp", "bandung", WIRELESS, (WIRELESS, FIBER), (LAN,), 1, Instant(2.0), "", (ERP,))
    believed = view()
    believed = replace(
        believed,
        sessions=both_sent((1000, 1000), (1100, 1000)),
        classes={**believed.classes, "erp": kernel},
    )
    assert set(ruled(believed).announcements[FIBER]) == {HQ, ERP}


def test_what_was_taken_back_of_a_rules_prefix_is_no_rival_of_the_others() -> None:
    """Over a bad tunnel it may still be held; were it beaten by all, two steerings would drive each other for ever."""
    bad = replace(view(on="wireless"), health={FIBER: HealthView(HealthState.DEGRADED)})
    sessions = both_sent((5000, 5100), (1100, 1000))
    boosted = {ERP: Replaced(Announcement(500), Instant(NOW - 1.0))}
    sessions[FIBER] = replace(sessions[FIBER], replaced=boosted)
    said = ruled(replace(bad, sessions=sessions)).announcements[WIRELESS]
    assert said == {HQ: Announcement(1100), ERP: Announcement(490)}


def test_a_branch_that_is_only_observed_is_left_as_it_is_and_says_what_would_be_done() -> None:
    observed = replace(BRANCH, mode=Mode.OBSERVE)
    bad = replace(view(), health={FIBER: HealthView(HealthState.DEGRADED)})
    decision = decide_branch(HUB, observed, bad, {}, moment(NOW))
    assert (decision.announcements, decision.close, decision.look) == ({}, frozenset(), False)
    assert {(c.active, c.order) for c in decision.classes.values()} == {(FIBER, (FIBER, WIRELESS))}
    assert decision.verdict.only_said
    assert decision.verdict.chosen == WIRELESS


def test_a_drained_tunnel_is_marked_and_announced_worse_once_the_branch_has_left_it() -> None:
    left = replace(view(on="wireless", meds=(1000, 990)), in_force={"bandung": InForce(drained=frozenset({FIBER}))})
    decision = decided(left)
    assert decision.announcements[FIBER] == {HQ: Announcement(9000, (GRACEFUL_SHUTDOWN,))}
    assert decision.verdict.reason is Reason.DRAINED_LEFT


@pytest.mark.parametrize(("after", "told"), [(0.005, 990), (9.9, 990), (10.0, 1100)])
def test_the_boost_lasts_until_the_worse_value_came_also_over_a_tunnel_that_loses_packets(
    after: float, told: int
) -> None:
    on_its_way = {HQ: Replaced(Announcement(1000), Instant(NOW - after))}
    believed = view(on="wireless", meds=(5000, 990))
    sessions = {**believed.sessions, FIBER: replace(believed.sessions[FIBER], replaced=on_its_way)}
    bad = replace(believed, sessions=sessions, health={FIBER: HealthView(HealthState.DEGRADED)})
    decision = decided(bad)
    assert meds(decision) == {"fiber": 5000, "wireless": told}
    assert decision.wake_at == (Instant(NOW - after + 10.0) if told == 990 else None)


def test_a_degraded_tunnel_is_left_by_telling_the_branch_first() -> None:
    bad = replace(view(), health={FIBER: HealthView(HealthState.DEGRADED)})
    decision = decided(bad)
    assert meds(decision)["wireless"] == 990
    assert decision.classes["bandung"].active == FIBER
    assert decision.verdict.reason is Reason.MOVING


def test_the_boost_lasts_until_what_others_were_sent_has_arrived() -> None:
    drained = {"bandung": InForce(drained=frozenset({FIBER}))}
    left = replace(view(on="wireless", meds=(9000, 990)), in_force=drained)
    just_sent = replace(left.sessions[FIBER], sent_at=Instant(NOW - 0.01))
    decision = decided(replace(left, sessions={**left.sessions, FIBER: just_sent}))
    assert meds(decision) == {"fiber": 9000, "wireless": 990}
    assert decision.wake_at is not None
    assert decision.wake_at < NOW + 1.0
    assert meds(decided(left)) == {"fiber": 9000, "wireless": 1100}
