"""What is drained when: drains that begin, end, overlap, and go from branch to branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from override_values import NOON, a_drain, a_freeze, a_switch, drains, minutes
from small_network import a_branch, a_network

from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.overrides import Drain, InForce, Overrides
from policies.overrides.schedule import (
    begins_by_branch,
    drained_by,
    in_force_at,
    next_change,
    turns_of,
    undrained_since,
)

INTENT = a_network(a_branch("solo", number=2), a_branch(), a_branch("tegal", number=3))
SOLO_FIBER, SOLO_WIRELESS = TunnelId("solo", "fiber"), TunnelId("solo", "wireless")


def drained(overrides: Overrides, after: float) -> str:
    """The drained tunnels, with the numbers of their drains, so many minutes after noon."""
    found = drained_by(overrides, INTENT, NOON + minutes(after))
    return " ".join(f"{tunnel}:{','.join(str(d.number) for d in by)}" for tunnel, by in sorted(found.items()))


@pytest.mark.parametrize(("after", "there"), [(-1, False), (9, False), (10, True), (29, True), (30, False)])
def test_a_drain_holds_from_its_begin_until_its_end(after: float, there: bool) -> None:
    assert drained(drains(a_drain(1, "solo/fiber", 10, 30)), after) == ("solo/fiber:1" if there else "")


def test_a_tunnel_is_drained_while_any_drain_means_it() -> None:
    both = drains(a_drain(1, "bandung/fiber", 0, 60), a_drain(2, "isp:isp-fiber", 30, 120))
    assert drained(both, 10) == "bandung/fiber:1"
    assert drained(both, 40) == "bandung/fiber:1,2 solo/fiber:2 tegal/fiber:2"
    assert drained(both, 70) == "bandung/fiber:2 solo/fiber:2 tegal/fiber:2"
    assert drained(drains(both.drains[0]), 40) == "bandung/fiber:1"


def test_a_drain_of_many_goes_from_branch_to_branch_by_name() -> None:
    rolled = drains(a_drain(1, "isp:isp-fiber", 10, rate=0.5))
    assert drained(rolled, 9) == ""
    assert drained(rolled, 10) == "bandung/fiber:1"
    assert drained(rolled, 12) == "bandung/fiber:1 solo/fiber:1"
    assert drained(rolled, 14) == "bandung/fiber:1 solo/fiber:1 tegal/fiber:1"
    assert [*begins_by_branch(rolled.drains[0], INTENT)] == ["bandung", "solo", "tegal"]


def test_branches_that_come_and_go_in_mid_rollout_change_nobodys_turn() -> None:
    made = a_drain(1, "isp:isp-fiber", 0, rate=1.0)
    rolled = replace(made, turns=turns_of(made, INTENT))
    assert rolled.turns == ("bandung", "solo", "tegal")
    other = a_network(a_branch("ambon", number=4), a_branch("solo", number=2), a_branch("tegal", number=3))
    turns = {name: at - NOON for name, at in begins_by_branch(rolled, other).items()}
    assert turns == {"solo": minutes(1), "ambon": minutes(2), "tegal": minutes(2)}
    assert turns_of(a_drain(1, "isp:isp-fiber"), INTENT) == ()


def test_a_clock_that_was_never_set_after_a_power_cut_forgets_no_drain() -> None:
    assert drained(drains(a_drain(1, "solo/fiber", 0, 30)), -1_000_000) == "solo/fiber:1"
    assert drained(drains(a_drain(1, "solo/fiber", 10, 30)), -1_000_000) == ""


def test_zones_make_no_difference() -> None:
    elsewhere = NOON.astimezone(ZoneInfo("America/New_York"))
    assert drained_by(drains(a_drain(1, "solo", 0, 30)), INTENT, elsewhere)


def test_a_drain_of_what_is_no_longer_configured_means_nothing() -> None:
    assert drained(drains(a_drain(1, "cirebon/fiber")), 1) == ""


@pytest.mark.parametrize(
    ("overrides", "after", "change"),
    [
        (Overrides(), 0, None),
        (drains(a_drain(1, "solo", 0)), 0, None),
        (drains(a_drain(1, "solo", 10, 30)), 0, 10),
        (drains(a_drain(1, "solo", 10, 30)), 10, 30),
        (drains(a_drain(1, "solo", 10, 30)), 30, None),
        (drains(a_drain(1, "isp:isp-fiber", 0, 30, rate=0.5)), 1, 2),
        (drains(a_drain(1, "isp:isp-fiber", 0, 30, rate=0.5)), 4, 30),
        (Overrides(switches=(a_switch(1, "solo", "wireless", 20),)), 0, 20),
        (Overrides(freezes=(a_freeze(1, 20),)), 0, 20),
        (Overrides(failback=(("solo", NOON + minutes(5)),)), 0, 5),
    ],
)
def test_it_is_known_when_time_alone_changes_what_holds(
    overrides: Overrides, after: float, change: float | None
) -> None:
    wall = NOON + minutes(after)
    expected = NOON + minutes(change) if change is not None else None
    assert next_change(overrides, INTENT, wall) == expected


def test_of_drains_that_are_over_it_is_known_when_their_tunnels_came_back() -> None:
    now = Now(Instant(3600.0), NOON + minutes(60))
    over = [
        (a_drain(1, "solo/fiber", 0, 30), NOON + minutes(30)),
        (a_drain(2, "solo/fiber", 0, 20), NOON + minutes(20)),
        (a_drain(3, "solo/wireless", 30), NOON + minutes(20)),
        (a_drain(4, "isp:isp-wireless", 0, rate=0.5), NOON + minutes(1)),
        (a_drain(5, "tegal/fiber", -90), NOON + minutes(-30)),
    ]
    found = undrained_since(over, INTENT, now)
    assert found == {SOLO_FIBER: 1800.0, TunnelId("bandung", "wireless"): 60.0}
    back = replace(now, wall=NOON)
    assert undrained_since(over[:1], INTENT, back) == {SOLO_FIBER: 3600.0}


def test_what_counts_at_a_time_is_neither_scheduled_nor_over() -> None:
    every = Overrides(
        drains=(a_drain(1, "solo", 0, 10), a_drain(2, "solo", 20, 30)),
        switches=(a_switch(3, "solo", "wireless", 10),),
        freezes=(a_freeze(4, 10), a_freeze(5)),
        failback=(("solo", NOON + minutes(10)),),
    )
    assert every.at(NOON + minutes(5)) == replace(every, drains=every.drains[:1])
    assert every.at(NOON + minutes(15)) == Overrides(freezes=every.freezes[1:])


@pytest.mark.parametrize(
    ("overrides", "after", "means"),
    [
        (Overrides(), 0, {}),
        (drains(a_drain(1, "solo/fiber", 10)), 9, {}),
        (drains(a_drain(1, "solo/fiber", 10)), 10, {"solo": InForce(drained=frozenset({SOLO_FIBER}))}),
        (Overrides(switches=(a_switch(1, "solo", "wireless", 20),)), 20, {}),
        (Overrides(switches=(a_switch(1, "solo", "wireless", 20),)), 19, {"solo": InForce(switched=SOLO_WIRELESS)}),
        (
            Overrides(switches=(a_switch(1, "solo", "wireless"), a_switch(2, "solo", "fiber"))),
            0,
            {"solo": InForce(switched=SOLO_FIBER)},
        ),
        (Overrides(switches=(a_switch(1, "solo", "gone"), a_switch(2, "cirebon", "fiber"))), 0, {}),
        (Overrides(freezes=(a_freeze(1, 20),)), 0, dict.fromkeys(INTENT.branches, InForce(frozen=True))),
        (Overrides(failback=(("solo", NOON + minutes(5)),)), 4, {"solo": InForce(go_back=True)}),
        (Overrides(failback=(("solo", NOON + minutes(5)),)), 5, {}),
    ],
)
def test_for_each_branch_it_is_said_what_they_mean(
    overrides: Overrides, after: float, means: Mapping[str, InForce]
) -> None:
    assert in_force_at(overrides, INTENT, NOON + minutes(after)) == means


def test_all_overrides_are_told_by_number() -> None:
    every = Overrides(drains=(a_drain(3, "solo"),), switches=(a_switch(1, "solo", "fiber"),), freezes=(a_freeze(2),))
    assert [override.number for override in every.all()] == [1, 2, 3]
    assert isinstance(every.all()[2], Drain)
