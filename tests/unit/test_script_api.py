"""What scripts are told and may answer: situations, adjustments, steady numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import script_rig
from small_network import a_branch, a_network

from policies.model.clock import Instant, Now
from policies.model.health import Figures, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.overrides import InForce
from policies.model.policy import Metered, RuleChange
from policies.model.verdicts import Reason, Verdict
from policies.model.view import LivenessState, LivenessView, View
from policies.ranking import standing_order
from policies.scripts import Adjustment, BranchSituation, TunnelSituation, steady_number
from policies.scripts.judge import nonsense
from policies.scripts.situation import network_of, situation_of, situations_of
from policies.steering import steerings

NINE = datetime(2026, 3, 2, 9, 30, 17, 123456, tzinfo=ZoneInfo("Asia/Jakarta"))
FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")


def at(wall: datetime = NINE) -> Now:
    return Now(Instant(1000.0), wall)


def situation(view: View | None = None, active: TunnelId | None = FIBER, now: datetime = NINE) -> BranchSituation:
    return situation_of(a_branch(), view or View(), active, at(now))


def on(branch: str, tunnel: str) -> Verdict:
    return Verdict(branch, TunnelId(branch, tunnel), TunnelId(branch, tunnel), None, Reason.PREFERRED, "", ())


def test_the_tunnels_are_in_the_order_of_the_policy_whatever_is_wrong_with_them() -> None:
    dead = View(liveness={FIBER: LivenessView(LivenessState.DOWN)})
    assert [(t.name, t.rank) for t in situation(dead).tunnels] == [("fiber", 0), ("wireless", 1)]


def test_a_tunnel_says_where_it_goes() -> None:
    fiber, wireless = situation().tunnels
    assert (fiber.kind, fiber.isp, fiber.hub_uplink, fiber.hub_isp) == ("fiber", "isp-fiber", "telkom", "telkom")
    assert (wireless.hub_uplink, wireless.metered) == ("biznet", False)


def test_what_is_not_known_is_neither_up_nor_usable() -> None:
    fiber = situation().tunnels[0]
    assert (fiber.liveness, fiber.health) == (LivenessState.UNKNOWN, HealthState.UNKNOWN)
    assert (fiber.loss, fiber.rtt, fiber.jitter, fiber.usual_rtt) == (None, None, None, None)
    assert not fiber.usable


def test_liveness_and_health_are_told() -> None:
    measured = HealthView(HealthState.DEGRADED, figures=Figures(0.0519, 0.01234, 0.1234), usual_rtt=1.234)
    view = View(liveness={FIBER: LivenessView(LivenessState.UP)}, health={FIBER: measured})
    fiber = situation(view).tunnels[0]
    assert (fiber.liveness, fiber.health, fiber.usable) == (LivenessState.UP, HealthState.DEGRADED, True)
    assert (fiber.loss, fiber.rtt, fiber.jitter, fiber.usual_rtt) == (0.05, 0.012, 0.12, 1.2)


def test_a_drained_tunnel_is_not_usable_and_one_that_is_about_to_go_counts_as_drained() -> None:
    live = {FIBER: LivenessView(LivenessState.UP), WIRELESS: LivenessView(LivenessState.UP)}
    view = View(liveness=live, in_force={"bandung": InForce(drained=frozenset({FIBER}))})
    told = situation_of(replace(a_branch(), leaving=frozenset({WIRELESS})), view, None, at())
    assert [(t.drained, t.usable) for t in told.tunnels] == [(True, False), (True, False)]


def test_the_active_tunnel_is_marked() -> None:
    assert situation(active=WIRELESS).active == situation(active=WIRELESS).tunnel("wireless")
    assert situation(active=None).active is None
    assert situation().tunnel("moon") is None


def test_time_is_told_to_the_minute_so_that_nothing_is_asked_in_vain() -> None:
    assert situation().wall.isoformat() == "2026-03-02T09:30:00+07:00"
    assert situation() == situation(now=NINE + timedelta(seconds=40))


def test_the_network_counts_branches_where_they_are_and_names_uplinks_that_nobody_is_on() -> None:
    intent = a_network(a_branch("bandung", number=1), a_branch("bogor", number=2))
    network = network_of(intent, {"bandung": on("bandung", "fiber"), "bogor": on("bogor", "fiber")}, at())
    assert network.branches == ("bandung", "bogor")
    assert network.on_hub_uplink == {"telkom": 2, "biznet": 0}
    assert network.on_isp == {"isp-fiber": 2, "isp-wireless": 0}


def test_a_branch_that_is_being_moved_counts_where_it_goes() -> None:
    moving = replace(on("bandung", "fiber"), chosen=WIRELESS)
    assert network_of(a_network(a_branch()), {"bandung": moving}, at()).on_hub_uplink == {"telkom": 0, "biznet": 1}


def test_only_branches_whose_policy_names_a_script_are_asked_about_each_by_its_own_clock() -> None:
    plain, under = a_branch("bandung", number=1), a_branch("bogor", number=2)
    under = replace(under, timezone="Asia/Makassar", policy=replace(under.policy, script="even_out.py"))
    told = situations_of(a_network(plain, under), View(), {}, at(NINE.astimezone(UTC)))
    assert told.network.wall.isoformat() == "2026-03-02T09:30:00+07:00"
    assert {script: set(branches) for script, branches in told.by_script.items()} == {"even_out.py": {"bogor"}}
    assert told.by_script["even_out.py"]["bogor"].wall.isoformat() == "2026-03-02T10:30:00+08:00"


def test_an_adjustment_is_what_a_rule_can_set() -> None:
    adjustment = Adjustment(reason="x", prefer=("lte",), metered=Metered.ALLOWED, ignore_degraded=True)
    assert adjustment.change == RuleChange(prefer=("lte",), metered=Metered.ALLOWED, ignore_degraded=True)
    assert Adjustment(reason="x").change == RuleChange()


def test_a_steady_number_is_the_same_everywhere_and_differs_by_name() -> None:
    assert steady_number("bandung") == 17939598874390859288
    assert len({steady_number(f"branch-{n}") % 1000003 for n in range(500)}) > 490


@pytest.mark.parametrize(
    ("returned", "wrong"),
    [
        (None, None),
        (Adjustment(reason="why"), None),
        (Adjustment(reason="why", prefer=("lte", "fiber")), None),
        (Adjustment(reason="why", prefer=("5g", "satellite")), None),
        (Adjustment(reason="why", metered=Metered.ALLOWED, ignore_degraded=True), None),
        ("lte", "returned a str, not an Adjustment or None"),
        (("lte",), "returned a tuple, not an Adjustment or None"),
        (Adjustment, "returned a type, not an Adjustment or None"),
        (Adjustment(reason=""), "returned an Adjustment without a reason: say why in a few words"),
        (Adjustment(reason=None), "returned an Adjustment without a reason: say why in a few words"),  # type: ignore[arg-type]
        (Adjustment(reason="a\nb"), "returned a reason that is not one line of at most 200 characters"),
        (Adjustment(reason="x" * 201), "returned a reason that is not one line of at most 200 characters"),
        (
            Adjustment(reason="why", prefer=["lte"]),  # type: ignore[arg-type]
            'returned prefer as a list, not a tuple: write ("fiber", "lte")',
        ),
        (
            Adjustment(reason="why", prefer="lte"),  # type: ignore[arg-type]
            'returned prefer as a str, not a tuple: write ("fiber", "lte")',
        ),
        (Adjustment(reason="why", prefer=()), "returned prefer with 0 names: give 1 to 64, or None"),
        (Adjustment(reason="why", prefer=("lte",) * 65), "returned prefer with 65 names: give 1 to 64, or None"),
        (Adjustment(reason="why", prefer=(1,)), "returned prefer with a int in it, not only names"),  # type: ignore[arg-type]
        (
            Adjustment(reason="why", prefer=("lte", "mo\non")),
            'returned prefer with "mo\\non", which is no tunnel of bandung and no kind of uplink',
        ),
        (
            Adjustment(reason="why", metered="allowed"),  # type: ignore[arg-type]
            "returned metered as a str: write Metered.ALLOWED, for example",
        ),
        (
            Adjustment(reason="why", ignore_degraded=1),  # type: ignore[arg-type]
            "returned ignore_degraded as a int, not True or False",
        ),
    ],
)
def test_what_can_be_taken_and_what_is_nonsense(returned: object, wrong: str | None) -> None:
    assert nonsense(returned, script_rig.a_branch()) == wrong


def test_a_tunnel_of_the_branch_may_be_named_though_it_is_no_kind() -> None:
    branch = replace(script_rig.a_branch(), tunnels=(TunnelSituation(name="old"),))
    assert nonsense(Adjustment(reason="why", prefer=("old",)), branch) is None


def test_the_core_ranks_by_what_a_script_prefers() -> None:
    adjusted = View(adjustments={"bandung": Adjustment(reason="why", prefer=("wireless",)).change})
    (steering,) = steerings(a_branch(), adjusted, at())
    assert [tunnel.id.name for tunnel in standing_order(a_branch(), steering)] == ["wireless", "fiber"]
    assert [tunnel.name for tunnel in situation(adjusted).tunnels] == ["fiber", "wireless"], "rank is the policy's"
