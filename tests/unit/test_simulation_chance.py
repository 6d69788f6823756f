"""What goes wrong, drawn by lot: as often as is written, the same for a seed, and at once where it is one thing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_network import a_branch

from policies.model.intent import Branch
from policies.simulation.chance import DAY, ROUND_TRIPS, TROUBLES, Trouble, Where, drawn
from policies.simulation.line import Line

YEAR = 365 * DAY


def only(where: Where, **effect: object) -> tuple[Trouble, ...]:
    return (Trouble("it breaks", where, DAY, 600.0, **effect),)  # type: ignore[arg-type]


def outages(branch: Branch, tunnel: str, where: Where, seconds: float = YEAR) -> list[float]:
    steps = drawn(branch, 1, seconds, only(where, down=True))
    return [step.at for step in steps if tunnel in step.lines and not step.lines[tunnel].up]


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(a_branch(), 3, YEAR) == drawn(a_branch(), 3, YEAR)
    assert drawn(a_branch(), 3, YEAR) != drawn(a_branch(), 4, YEAR)


def test_it_begins_with_lines_that_are_well() -> None:
    first = drawn(a_branch(), 1, YEAR)[0]
    assert (first.at, first.lines) == (
        0.0,
        {name: Line(rtt=ROUND_TRIPS[name]) for name in ("fiber", "wireless")},
    )


def test_a_branch_has_its_course_whatever_its_policy_and_its_other_tunnels() -> None:
    two, three = a_branch(), a_branch(tunnels=("fiber", "wireless", "lte"))
    three = replace(three, policy=replace(three.policy, name="another"))
    assert outages(two, "fiber", Where.UPLINK) == outages(three, "fiber", Where.UPLINK)


def test_it_happens_about_as_often_as_is_written() -> None:
    assert 300 < len(outages(a_branch(), "fiber", Where.UPLINK)) < 430


@pytest.mark.parametrize(("where", "together"), [(Where.ISP, True), (Where.HUB_UPLINK, True), (Where.UPLINK, False)])
def test_what_branches_share_fails_for_all_of_them_at_once(where: Where, together: bool) -> None:
    one, other = a_branch("bandung", number=1), a_branch("bogor", number=2)
    mine, theirs = outages(one, "fiber", where), outages(other, "fiber", where)
    assert mine
    assert (mine == theirs) is together


def test_what_goes_wrong_at_one_time_adds_up() -> None:
    troubles = (
        Trouble("loses", Where.UPLINK, DAY, DAY, loss=(0.02, 0.2)),
        Trouble("slower", Where.UPLINK, DAY, DAY, slower=(0.06, 0.25)),
        Trouble("slower too", Where.UPLINK, DAY, DAY, slower=(0.06, 0.25)),
    )
    lines = [step.lines["fiber"] for step in drawn(a_branch(), 1, YEAR, troubles) if "fiber" in step.lines]
    assert any(line.loss >= 0.02 and line.rtt > 0.26 for line in lines)
    assert max(line.rtt for line in lines) <= 0.505
    assert Line(rtt=0.005) in lines[1:]


def test_nothing_comes_after_the_end() -> None:
    steps = drawn(a_branch(), 1, 10 * DAY)
    assert all(0 <= step.at < 10 * DAY for step in steps)
    assert len({trouble.name for trouble in TROUBLES}) == len(TROUBLES)
