"""What is cut and degraded, and the packet filter that does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_intent import intent

from hub.lab.disturb import stage_script
from hub.lab.disturbances import (
    Direction,
    Disturbance,
    Stage,
    disturbed,
    fraction,
    healed,
    rules,
    spots,
    stages,
    summary,
)
from hub.lab.names import LabError, LabPlace
from hub.lab.plan import plan

NETWORK = plan(intent())
ISPS = {isp.name: isp for isp in NETWORK.isps}
CUT = disturbed((), "bandung/fiber", Direction.BOTH, loss=1.0)


@pytest.mark.parametrize(
    ("target", "isps", "branch_uplinks", "hub_uplinks"),
    [
        ("bandung/fiber", ["telkom"], ["fiber"], []),
        ("tegal/radio", ["telkom"], ["radio"], []),
        ("bandung", ["indosat", "telkom"], ["wireless", "fiber"], []),
        ("isp:telkom", ["telkom"], ["fiber", "radio"], ["telkom"]),
        ("isp:indosat", ["indosat"], ["wireless", "fiber"], []),
        ("hub:biznet", ["biznet"], [], ["biznet"]),
        ("hub:hq/biznet", ["biznet"], [], ["biznet"]),
    ],
)
def test_a_target_names_uplinks_inside_isps(
    target: str, isps: list[str], branch_uplinks: list[str], hub_uplinks: list[str]
) -> None:
    found = spots(NETWORK, target)
    assert [spot.isp.name for spot in found] == isps
    assert [uplink.name for spot in found for uplink in spot.branch_uplinks] == branch_uplinks
    assert [uplink.name for spot in found for uplink in spot.hub_uplinks] == hub_uplinks


@pytest.mark.parametrize(
    "target", ["", "/", "nowhere", "bandung/", "bandung/5g", "isp:", "isp:none", "hub:x", "hub", "x:bandung", "telkom"]
)
def test_what_is_not_in_the_lab_is_refused_with_what_is(target: str) -> None:
    with pytest.raises(LabError, match="bandung/fiber"):
        spots(NETWORK, target)


def test_a_cut_drops_both_ways_and_only_that_uplink() -> None:
    text = rules(NETWORK, ISPS["telkom"], CUT)
    address = NETWORK.branches[0].uplinks[0].address
    assert f"ip daddr {{ {address} }} drop" in text
    assert f"ip saddr {{ {address} }} drop" in text
    assert text.count("drop") == 2
    assert "drop" not in rules(NETWORK, ISPS["indosat"], CUT)


@pytest.mark.parametrize(("way", "field"), [(Direction.TO_BRANCH, "daddr"), (Direction.TO_HUB, "saddr")])
def test_a_cut_of_one_direction_drops_that_one_only(way: Direction, field: str) -> None:
    text = rules(NETWORK, ISPS["telkom"], disturbed((), "bandung/fiber", way, loss=1.0))
    address = NETWORK.branches[0].uplinks[0].address
    assert [line.strip() for line in text.splitlines() if "drop" in line] == [f"ip {field} {{ {address} }} drop"]


def test_to_the_branches_through_an_isp_is_also_what_comes_from_the_hub_there() -> None:
    text = rules(NETWORK, ISPS["telkom"], disturbed((), "isp:telkom", Direction.TO_BRANCH, loss=1.0))
    assert f"ip saddr {{ {NETWORK.hub.uplinks[0].address} }} drop" in text


def test_loss_is_a_random_share() -> None:
    text = rules(NETWORK, ISPS["telkom"], disturbed((), "bandung/fiber", Direction.TO_HUB, loss=0.05))
    assert "numgen random mod 100000 < 5000 drop" in text


def test_without_disturbances_nothing_is_dropped_or_marked() -> None:
    text = rules(NETWORK, ISPS["telkom"], ())
    assert "drop" not in text
    assert "mark set 1" not in text


def test_what_has_waited_in_its_stage_loses_its_mark_and_goes_on() -> None:
    present = disturbed((), "bandung/fiber", Direction.BOTH, loss=0, delay_ms=80)
    entering, *others = [line for line in rules(NETWORK, ISPS["telkom"], present).splitlines() if "mark set" in line]
    assert entering.split() == ["iifname", '"pmstage*"', "meta", "mark", "set", "0", "accept"]
    assert others


def test_delayed_packets_are_marked_for_their_stage() -> None:
    present = disturbed((), "bandung/fiber", Direction.TO_HUB, loss=0, delay_ms=80, jitter_ms=20)
    assert stages(NETWORK, present) == {Stage("isp-telkom", 1, 80, 20)}
    assert "meta mark set 1" in rules(NETWORK, ISPS["telkom"], present)


def test_a_second_degradation_takes_the_place_of_the_first() -> None:
    first = disturbed((), "bandung/fiber", Direction.BOTH, loss=0.05)
    second = disturbed(first, "bandung/fiber", Direction.TO_HUB, loss=0.1)
    assert summary(second) == ["bandung/fiber: loss 5% (to-branch)", "bandung/fiber: loss 10% (to-hub)"]


def test_a_cut_and_a_degradation_stand_side_by_side_until_healed() -> None:
    both = disturbed(CUT, "bandung/fiber", Direction.BOTH, loss=0, delay_ms=30)
    assert summary(both) == ["bandung/fiber: cut", "bandung/fiber: delay 30ms"]
    assert healed(both, "bandung/fiber") == ()


def test_healing_one_target_leaves_the_others() -> None:
    both = disturbed(CUT, "isp:indosat", Direction.BOTH, loss=1.0)
    assert summary(healed(both, "bandung/fiber")) == ["isp:indosat: cut"]
    assert healed(both, "all") == ()


TARGETS = st.sampled_from(["bandung/fiber", "bandung", "isp:telkom", "hub:biznet"])
STEPS = st.tuples(TARGETS, st.sampled_from(Direction), st.sampled_from([0.05, 1.0]), st.sampled_from([0.0, 80.0]))


@given(st.lists(st.one_of(STEPS, TARGETS)))
def test_numbers_are_unique_and_stay_with_their_disturbance(
    steps: list[tuple[str, Direction, float, float] | str],
) -> None:
    present: tuple[Disturbance, ...] = ()
    for step in steps:
        if isinstance(step, str):
            after = healed(present, step)
        else:
            target, way, loss, delay = step
            after = disturbed(present, target, way, loss=loss, delay_ms=delay)
        assert len({one.number for one in after}) == len(after)
        assert len({(one.target, one.way, one.cut) for one in after}) == len(after)
        present = after


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0%", 0.0), ("100%", 1.0), ("0.5%", 0.005), (" 3% ", 0.03)])
def test_a_loss_is_a_percentage(text: str, share: float) -> None:
    assert fraction(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "5", "101%", "-1%", "five", "5 %%", "nan%"])
def test_anything_else_is_no_loss(text: str) -> None:
    with pytest.raises(ValueError, match="percentage"):
        fraction(text)


def test_the_kernels_netem_delays_where_it_is_there() -> None:
    place = LabPlace("lab", Path("/run/pointsman-lab"))
    script = stage_script(place, Stage("isp-telkom", 1, 80, 20), netem=True)
    assert "tc qdisc add dev pmstage1 root netem limit 50000 delay 80ms 20ms" in script
    assert "delay_stage" not in script
