"""A tunnel that is made anew of something else is left first and returned to: a plan says both, and guards count it."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from ipaddress import ip_network

import pytest
from rich.console import Console
from small_network import HOLD, a_branch, a_network, a_tunnel, with_failback
from test_plan_guards import all_live, many
from test_plan_outlook import FIBER, METERED, NOW, SEMARANG, WIRELESS, live, moves, of_semarang, planned

from hub.cli.render_plan import applied_view, plan_view
from hub.controller.ending import Applied
from hub.controller.plan_report import applied_report, plan_report
from policies.forwarding import class_name
from policies.model.clock import Instant
from policies.model.guards import AtMost, Guards
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Mode
from policies.model.overrides import InForce
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange, TimeWindow
from policies.model.transport import Inner, Ipsec, PresharedKey
from policies.model.view import LivenessState, LivenessView
from policies.plan import Plan, plan

GRE = Ipsec(PresharedKey("semarang.psk"), "hq", "semarang", inner=Inner.GRE)


def as_ipsec(branch: Branch, name: str = "fiber", transport: Ipsec = GRE) -> Branch:
    """The same branch, one of whose tunnels is IPsec."""
    tunnels = (replace(t, transport=transport) if t.id.name == name else t for t in branch.tunnels)
    return replace(branch, tunnels=tuple(tunnels))


def waits(found: Plan) -> list[tuple[str | None, str, str]]:
    return [(move.on, move.to, move.awaited) for move in of_semarang(found).moves]


def shown(found: Plan) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(plan_view(plan_report(found), proposal=False))
    return capture.get()


def test_a_tunnel_of_another_transport_is_left_at_once_and_returned_to_after_its_hold() -> None:
    found = planned(SEMARANG, as_ipsec(SEMARANG), live())
    away, back = of_semarang(found).moves
    assert (away.on, away.to, away.because, away.at_once, away.gentle) == (
        "fiber",
        "wireless",
        "it is made anew",
        True,
        True,
    )
    assert (back.on, back.to, back.after, back.awaited) == (
        "wireless",
        "fiber",
        None,
        "once it is made anew and answers, after its hold",
    )
    assert (of_semarang(found).to, of_semarang(found).later) == ("wireless", "fiber")


def test_both_moves_stand_in_the_text_and_in_the_json() -> None:
    found = planned(SEMARANG, as_ipsec(SEMARANG), live())
    text = " ".join(shown(found).split())
    assert "fiber (it is made anew) -> wireless 0 packets expected lost" in text
    assert "wireless -> fiber later, once it is made anew and answers, after its hold; 0 packets expected lost" in text
    assert "1 branch changed, 1 branch moves, 1 left on one path" in text
    said = plan_report(found)["branches"][0]["moves"]
    assert [(move["on"], move["to"], move["after"], move["waits"]) for move in said] == [
        ("fiber", "wireless", 0.0, ""),
        ("wireless", "fiber", None, "once it is made anew and answers, after its hold"),
    ]


def test_what_comes_without_the_change_too_does_not_hide_that_the_tunnel_is_left() -> None:
    night = Rule(
        "night",
        Condition(times=(TimeWindow(frozenset(range(7)), time(22), time(6)),)),
        RuleChange(prefer=("wireless",)),
    )
    at_night = replace(SEMARANG, policy=replace(SEMARANG.policy, rules=(night,)))
    assert moves(planned(at_night, as_ipsec(at_night), live()))[0] == ("fiber", "wireless")


def test_another_inner_is_another_interface_and_left_too() -> None:
    vxlan = replace(GRE, inner=Inner.VXLAN)
    found = planned(as_ipsec(SEMARANG), as_ipsec(SEMARANG, transport=vxlan), live())
    assert moves(found) == [("fiber", "wireless"), ("wireless", "fiber")]
    assert planned(as_ipsec(SEMARANG), as_ipsec(SEMARANG, transport=replace(GRE, version=1)), live()).branches == ()


def test_a_tunnel_that_carries_nothing_is_made_anew_without_a_move() -> None:
    assert moves(planned(SEMARANG, as_ipsec(SEMARANG, "wireless"), live())) == []


def test_without_another_tunnel_that_lives_nothing_can_leave_it() -> None:
    dead = {**live().liveness, WIRELESS: LivenessView(LivenessState.DOWN, Instant(1.0))}
    found = planned(SEMARANG, as_ipsec(SEMARANG), live(liveness=dead))
    assert moves(found) == []
    assert "semarang would be cut off" in found.guards[0]


@pytest.mark.parametrize(
    ("mode", "back"),
    [
        (FailbackMode.MANUAL, "once it is made anew and answers, when told to (pointsman failback)"),
        (FailbackMode.NEVER, None),
    ],
)
def test_it_comes_back_in_the_way_of_the_policy(mode: FailbackMode, back: str | None) -> None:
    branch = with_failback(SEMARANG, mode)
    assert waits(planned(branch, as_ipsec(branch), live()))[1:] == ([("wireless", "fiber", back)] if back else [])


def test_it_comes_back_in_a_window() -> None:
    windows = (TimeWindow(frozenset(range(7)), time(2), time(4)),)
    failback = Failback(FailbackMode.WINDOW, HOLD, windows)
    branch = replace(SEMARANG, policy=replace(SEMARANG.policy, failback=failback))
    said = waits(planned(branch, as_ipsec(branch), live()))
    assert said[1:] == [("wireless", "fiber", "once it is made anew and answers, in the next window")]


def test_a_freeze_does_not_hold_up_that_it_is_left_but_that_it_is_returned_to() -> None:
    frozen = live(in_force={"semarang": InForce(frozen=True)})
    assert waits(planned(SEMARANG, as_ipsec(SEMARANG), frozen)) == [
        ("fiber", "wireless", ""),
        ("wireless", "fiber", "once it is made anew and answers, when the freeze ends"),
    ]


def test_traffic_does_not_come_back_to_what_is_not_preferred_any_more() -> None:
    prefers = replace(SEMARANG, policy=replace(SEMARANG.policy, prefer=("wireless", "fiber")))
    assert moves(planned(SEMARANG, as_ipsec(prefers), live())) == [("fiber", "wireless")]


def test_traffic_that_a_rule_names_leaves_by_itself() -> None:
    erp = ip_network("10.0.10.0/24")
    rule = Rule("erp", Condition(hub_prefixes=(erp,)), RuleChange(prefer=("fiber",)))
    ruled = replace(SEMARANG, policy=replace(SEMARANG.policy, rules=(rule,)))
    both = live()
    name = class_name(ruled, frozenset({FIBER, WIRELESS}), (erp,))
    classes = {**both.classes, name: replace(both.classes["semarang"], name=name, sources=(erp,))}
    found = of_semarang(planned(ruled, as_ipsec(ruled), replace(both, classes=classes)))
    assert [(move.sources, move.on, move.to) for move in found.moves] == [
        ((), "fiber", "wireless"),
        ((erp,), "fiber", "wireless"),
        ((), "wireless", "fiber"),
        ((erp,), "wireless", "fiber"),
    ]


def test_what_moves_by_another_rule_in_the_same_change_is_said_once() -> None:
    erp = ip_network("10.0.10.0/24")
    rule = Rule("erp", Condition(hub_prefixes=(erp,)), RuleChange(prefer=("wireless",)))
    ruled = replace(SEMARANG, policy=replace(SEMARANG.policy, rules=(rule,)))
    found = of_semarang(planned(SEMARANG, as_ipsec(ruled), live()))
    assert [(move.sources, move.on, move.to) for move in found.moves] == [
        ((), "fiber", "wireless"),
        ((erp,), "fiber", "wireless"),
        ((), "wireless", "fiber"),
    ]


def test_a_branch_that_is_only_observed_leaves_nothing() -> None:
    observed = replace(SEMARANG, mode=Mode.OBSERVE)
    assert moves(planned(observed, as_ipsec(observed), live())) == []


def test_the_guard_of_moves_counts_it() -> None:
    branches = many(3)
    before = replace(a_network(*branches), guards=Guards(max_moves=AtMost(2), max_one_path=None))
    after = replace(before, branches={b.name: as_ipsec(b) for b in branches})
    found = plan(before, after, all_live(branches), NOW)
    assert len(found.blast.moved) == len(found.blast.one_path) == 3
    assert found.guards == ("3 of 3 branches would move; max-moves (2) allows 2",)


def test_the_guard_of_metered_lines_counts_it() -> None:
    branch = replace(METERED, policy=replace(METERED.policy, metered=Metered.ALLOWED))
    before, after = a_network(branch), a_network(as_ipsec(branch))
    found = plan(
        replace(before, guards=Guards(max_metered=3 * 10**9)), after, live(METERED), NOW, None, {"semarang": 3.1e9}
    )
    assert found.guards == ("3.1 GB a day would move to metered lines; max-metered allows 3 GB",)


def test_coming_back_to_a_metered_line_that_carried_before_is_no_move_to_one() -> None:
    tunnels = (a_tunnel("semarang", "fiber", 8, metered=True), a_tunnel("semarang", "wireless", 9))
    branch = replace(SEMARANG, tunnels=tunnels, policy=replace(SEMARANG.policy, metered=Metered.ALLOWED))
    found = plan(a_network(branch), a_network(as_ipsec(branch)), live(branch), NOW)
    assert [(move.on, move.to, move.metered) for move in found.branches[0].moves] == [
        ("fiber", "wireless", False),
        ("wireless", "fiber", False),
    ]


def test_of_three_tunnels_the_next_one_carries_meanwhile() -> None:
    three = a_branch("semarang", ("fiber", "lte", "wireless"))
    anew = as_ipsec(three)
    assert moves(planned(three, anew, live(three))) == [("fiber", "wireless"), ("wireless", "fiber")]
    without = replace(anew, tunnels=tuple(t for t in anew.tunnels if t.id != TunnelId("semarang", "wireless")))
    assert moves(planned(three, without, live(three))) == [("fiber", "lte"), ("lte", "fiber")]


def test_the_number_of_a_plan_stays_while_it_waits_to_be_applied() -> None:
    after = as_ipsec(SEMARANG)
    later = replace(NOW, monotonic=Instant(NOW.monotonic + 1.0))
    assert planned(SEMARANG, after, live()).id == planned(SEMARANG, after, live(), now=later).id


def applied(on: str, *waiting: str) -> str:
    report = applied_report(Applied(planned(SEMARANG, as_ipsec(SEMARANG), live()), waiting, moved=(("semarang", on),)))
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(applied_view(report))
    return capture.get()


def test_an_apply_says_that_the_way_back_is_to_come_and_does_not_call_one_that_is_back_one_that_never_left() -> None:
    text = " ".join(applied("wireless").split())
    assert "semarang on wireless" in text
    assert "semarang wireless -> fiber later, once it is made anew and answers, after its hold" in text
    assert "semarang on fiber again, which is made anew" in applied("fiber")
    assert "semarang still on fiber: pointsman why semarang" in applied("fiber", "semarang/fiber")
