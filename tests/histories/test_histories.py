"""Random histories: whatever happens, in whatever order, what Pointsman promises holds, and it ends right.

`scripts/histories` plays as many as asked for, and shrinks what fails.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from histories.history import RULED, STEERED, History, Step, drawn, play
from histories.invariants import ViolationError
from histories.sabotage import OF_RULES, SABOTAGES, Sabotage
from histories.shrink import failure, shrunk
from histories.telling import outline
from histories.timeline import Timeline
from policies.preference import standing_med
from policies.ranking import standing_order

FIXED = range(300)
ENOUGH = 500
"""Histories within which a fault must be found."""
RARE = {"nobody stands in": 4236, "a raise is believed to have arrived": 790}
"""Faults that few histories show: where to begin."""
SHOWN_BY = {
    "rules wait for another event": 30000014,
    "probes show every way": 30000132,
    "rules move with the rest": 30000024,
}
"""A history that shows a fault in what rules steer."""
UNSEEN = 30
KNOWN = (
    *(30, 73, 116, 158, 424, 2274, 15905, 210828, 213543),
    *(3001033, 3003997, 3007870, 4001472, 4005142, 5003558, 5008254, 5010505),
    *(6004070, 6007185, 6010764, 8012228, 9000832, 9020207, 9023464),
    *(11001508, 11006329, 11008626, 12058496, 12082134, 13004252, 13074494),
    *(30000138, 30000356, 30000772),
)
"""Seeds that once showed a fault."""
DOCUMENTED = Path(__file__).parents[2] / "docs/reference/histories.md"


def check(seed: int) -> None:
    history = drawn(seed)
    violation = failure(history)
    if violation is None:
        return
    short = shrunk(history, violation.rule)
    pytest.fail(f"{failure(short)}\n{outline(short)}\nscripts/histories --replay {seed}")


@pytest.mark.parametrize("first", range(FIXED.start, FIXED.stop, 100))
def test_what_is_promised_holds_in_any_history(first: int) -> None:
    for seed in range(first, first + 100):
        check(seed)


def test_and_in_histories_that_nobody_has_seen() -> None:
    first = random.SystemRandom().randrange(10**6, 10**9)
    print(f"seeds from {first}")  # noqa: T201
    for seed in range(first, first + UNSEEN):
        check(seed)


@pytest.mark.parametrize("first", [STEERED, STEERED + 60])
def test_and_with_health_drains_and_switches_among_it(first: int) -> None:
    for seed in range(first, first + 60):
        check(seed)


def test_and_with_rules_by_hub_prefix_time_and_health() -> None:
    for seed in range(RULED, RULED + 20):
        check(seed)


@pytest.mark.parametrize("seed", KNOWN)
def test_what_failed_once_holds(seed: int) -> None:
    check(seed)


def test_every_seed_that_the_reference_says_failed_is_played() -> None:
    _, _, section = DOCUMENTED.read_text(encoding="utf-8").partition("## Seeds that failed\n")
    rows = re.findall(r"^\| ([\d, ]+) \|", section.partition("\n## ")[0], re.MULTILINE)
    documented = {int(seed) for row in rows for seed in row.split(", ")}
    assert documented
    assert documented <= set(KNOWN)


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_fault_is_found(name: str) -> None:
    sabotage: Sabotage = SABOTAGES[name]
    first = RARE.get(name, 0)
    with sabotage() as parts:
        assert any(failure(drawn(first + number), parts) for number in range(ENOUGH)), name


@pytest.mark.parametrize("name", OF_RULES)
def test_a_fault_in_what_rules_steer_is_found(name: str) -> None:
    sabotage: Sabotage = OF_RULES[name]
    with sabotage() as parts:
        assert failure(drawn(SHOWN_BY[name]), parts) is not None


def test_a_seed_is_a_history() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert play(drawn(7)).timeline.events == play(drawn(7)).timeline.events


def test_a_quiet_history_ends_with_the_standing_values() -> None:
    world = play(replace(drawn(1), steps=(Step(4.0, "begin"),), dead=frozenset()))
    (branch,) = world.intent.branches.values()
    for place, tunnel in enumerate(standing_order(branch)):
        assert set(world.branch.holds[tunnel.id].values()) == {standing_med(branch.policy.announce, place)}


def test_a_failure_is_shrunk_to_the_steps_that_it_needs() -> None:
    with SABOTAGES["fixed survivor value"]() as parts:
        history, violation = first_failure(parts)
        short = shrunk(history, violation.rule, parts)
        assert len(short.steps) <= len(history.steps)
        found = failure(short, parts)
        assert found is not None
        assert found.rule == violation.rule


def first_failure(parts: object) -> tuple[History, ViolationError]:
    for seed in range(ENOUGH):
        violation = failure(drawn(seed), parts)  # type: ignore[arg-type]
        if violation is not None:
            return drawn(seed), violation
    raise AssertionError("nothing fails")


def test_what_happens_at_one_moment_happens_in_the_order_it_was_asked_for() -> None:
    timeline, seen = Timeline(), list[int]()
    for number in range(3):
        timeline.after(1.0, lambda number=number: seen.append(number))  # type: ignore[misc]
    timeline.after(0.5, lambda: timeline.after(0.5, lambda: seen.append(3)))
    timeline.run_until(timeline.now + 1.0)
    assert seen == [0, 1, 2, 3]
