"""By which preferences a branch's traffic is steered: rules, scripts, switches, and which of them counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

import pytest
from small_network import a_branch, moment

from policies.model.health import HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.overrides import InForce
from policies.model.policy import Condition, Failback, FailbackMode, Metered, Rule, RuleChange, TimeWindow
from policies.model.view import LivenessState, LivenessView, View
from policies.steering import EVERYWHERE, changes_at, sources_of, steerings

ERP = ip_network("10.0.10.0/24")
COPIES = ip_network("10.0.90.0/24")
FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
WORK = TimeWindow(frozenset(range(5)), time(8), time(18))
MONDAY_NINE = moment(1000.0, datetime(2026, 11, 16, 9, tzinfo=ZoneInfo("Asia/Jakarta")))
MONDAY_NIGHT = moment(1000.0, datetime(2026, 11, 16, 23, tzinfo=ZoneInfo("Asia/Jakarta")))
TURNED = RuleChange(prefer=("wireless", "fiber"))


def ruled(*rules: Rule) -> Branch:
    branch = a_branch()
    return replace(branch, policy=replace(branch.policy, rules=rules))


def counts(when: Condition, view: View | None = None) -> bool:
    """Whether a rule with this condition counts for the branch on a Monday at nine."""
    believed = view or View(liveness={FIBER: LivenessView(LivenessState.UP)})
    return steerings(ruled(Rule("it", when, TURNED)), believed, MONDAY_NINE)[0].rule == "it"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (Condition(), True),
        (Condition(branches=frozenset({"bandung"})), True),
        (Condition(branches=frozenset({"bogor"})), False),
        (Condition(tunnels=frozenset({"fiber"})), True),
        (Condition(tunnels=frozenset({"lte"})), False),
        (Condition(kinds=frozenset({"wireless"})), True),
        (Condition(isps=frozenset({"isp-fiber"})), True),
        (Condition(isps=frozenset({"telkom"})), True),  # the hub's end of fiber
        (Condition(hub_uplinks=frozenset({"telkom"})), True),
        (Condition(hub_uplinks=frozenset({"nowhere"})), False),
        (Condition(times=(WORK,)), True),
        (Condition(times=(TimeWindow(frozenset({5}), time(8), time(18)),)), False),
        (Condition(tunnels=frozenset({"fiber"}), kinds=frozenset({"wireless"})), False),  # no one tunnel is both
        (Condition(tunnels=frozenset({"fiber"}), down=True), False),
        (Condition(tunnels=frozenset({"fiber"}), down=False), True),
        (Condition(health=frozenset({HealthState.DEGRADED})), False),
        (Condition(drained=True), False),
    ],
)
def test_a_rule_counts_when_all_that_it_asks_is_so(when: Condition, holds: bool) -> None:
    assert counts(when) is holds


def test_a_rule_may_ask_for_health_and_for_a_drain() -> None:
    bad = View(health={FIBER: HealthView(HealthState.DEGRADED)}, in_force={"bandung": InForce(frozenset({WIRELESS}))})
    fiber = Condition(tunnels=frozenset({"fiber"}), health=frozenset({HealthState.DEGRADED}))
    assert counts(fiber, bad)
    assert counts(Condition(tunnels=frozenset({"wireless"}), drained=True), bad)
    assert not counts(replace(fiber, drained=True), bad)


def test_of_two_rules_that_match_the_first_counts() -> None:
    first, second = Rule("first", Condition(), TURNED), Rule("second", Condition(), RuleChange(metered=Metered.ALLOWED))
    (only,) = steerings(ruled(first, second), View(), MONDAY_NINE)
    assert (only.rule, only.prefer, only.metered) == ("first", ("wireless", "fiber"), Metered.WHEN_DEGRADED)


def test_a_rule_for_a_hub_prefix_steers_that_alone_and_is_there_also_while_it_does_not_hold() -> None:
    branch = ruled(Rule("ERP", Condition(hub_prefixes=(ERP,), times=(WORK,)), TURNED))
    by_day, by_night = (steerings(branch, View(), now) for now in (MONDAY_NINE, MONDAY_NIGHT))
    assert [s.sources for s in by_day] == [s.sources for s in by_night] == [EVERYWHERE, (ERP,)]
    assert [s.rule for s in by_day] == ["", "ERP"]
    assert [s.rule for s in by_night] == ["", ""]


def test_a_rule_without_a_hub_prefix_holds_for_those_that_others_name_too() -> None:
    erp, all_ = (
        Rule("ERP", Condition(hub_prefixes=(ERP,)), TURNED),
        Rule("all", Condition(), RuleChange(ignore_degraded=True)),
    )
    assert [s.rule for s in steerings(ruled(erp, all_), View(), MONDAY_NINE)] == ["all", "ERP"]
    assert [s.rule for s in steerings(ruled(all_, erp), View(), MONDAY_NINE)] == ["all", "all"]


def test_rules_for_other_branches_name_no_sources() -> None:
    elsewhere = Rule("x", Condition(branches=frozenset({"bogor"}), hub_prefixes=(COPIES,)), TURNED)
    assert sources_of(ruled(elsewhere, Rule("y", Condition(hub_prefixes=(ERP,)), TURNED))) == ((ERP,),)


@pytest.mark.parametrize("prefix", ["2001:db8::/48", "10.1.0.0/25"])
def test_a_prefix_that_the_branch_is_not_told_of_is_not_steered(prefix: str) -> None:
    """It has no IPv6; and what is its own it knows better."""
    assert sources_of(ruled(Rule("it", Condition(hub_prefixes=(ip_network(prefix),)), TURNED))) == ()


def test_a_script_counts_before_a_rule_and_a_switch_before_both() -> None:
    said = View(
        adjustments={"bandung": RuleChange(prefer=("fiber", "lte"))}, in_force={"bandung": InForce(switched=WIRELESS)}
    )
    (only,) = steerings(ruled(Rule("r", Condition(), RuleChange(TURNED.prefer, Metered.ALLOWED))), said, MONDAY_NINE)
    assert (only.prefer, only.metered, only.switched) == (("fiber", "lte"), Metered.ALLOWED, WIRELESS)


def test_what_the_time_of_day_changes_next_is_known() -> None:
    rule = Rule("r", Condition(times=(WORK,)), TURNED)
    windowed = Failback(FailbackMode.WINDOW, timedelta(0), (TimeWindow(frozenset({0}), time(12), time(13)),))
    branch = ruled(rule)
    assert changes_at(branch, MONDAY_NINE) == MONDAY_NINE.monotonic + 9 * 3600
    both = replace(branch, policy=replace(branch.policy, failback=windowed))
    assert changes_at(both, MONDAY_NINE) == MONDAY_NINE.monotonic + 3 * 3600
    assert changes_at(a_branch(), MONDAY_NINE) is None


def test_a_branch_without_rules_is_steered_by_its_policy() -> None:
    (only,) = steerings(a_branch(), View(), MONDAY_NINE)
    assert (only.sources, only.rule, only.drained) == (EVERYWHERE, "", frozenset())
