"""How far a change may reach before somebody must say that it is meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from config_directories import NETWORK, reading, said
from small_network import a_branch, a_network
from test_plan_outlook import METERED, NOW, live

from policies.model.guards import USUAL_GUARDS, AtMost, Guards
from policies.model.intent import Branch, Intent
from policies.model.policy import Metered
from policies.model.view import View
from policies.plan import Plan, plan


def many(count: int) -> list[Branch]:
    return [replace(a_branch(f"b{number:02}", number=number)) for number in range(1, count + 1)]


def all_live(branches: list[Branch]) -> View:
    views = [live(branch, branch.tunnels[0].id) for branch in branches]
    return View(
        liveness={t: each for view in views for t, each in view.liveness.items()},
        sessions={t: each for view in views for t, each in view.sessions.items()},
        classes={name: each for view in views for name, each in view.classes.items()},
        paths={key: each for view in views for key, each in view.paths.items()},
        forwarder=True,
        speakers=frozenset({1}),
    )


def turned(branch: Branch) -> Branch:
    return replace(branch, policy=replace(branch.policy, prefer=("wireless", "fiber")))


def moving(count: int, total: int, guards: Guards = USUAL_GUARDS, after: Guards = USUAL_GUARDS) -> Plan:
    """So many of all branches move."""
    branches = many(total)
    wanted = a_network(*(turned(b) if n < count else b for n, b in enumerate(branches)))
    return plan(replace(a_network(*branches), guards=guards), replace(wanted, guards=after), all_live(branches), NOW)


@pytest.mark.parametrize(
    ("count", "total", "guarded"), [(8, 8, False), (10, 12, False), (11, 12, True), (12, 48, False), (13, 48, True)]
)
def test_a_quarter_may_move_and_ten_always(count: int, total: int, *, guarded: bool) -> None:
    found = moving(count, total)
    assert len(found.blast.moved) == count
    assert bool(found.guards) is guarded


def test_a_guard_says_its_name_the_figure_and_the_limit() -> None:
    assert moving(3, 8, Guards(max_moves=AtMost(share=0.25))).guards == (
        "3 of 8 branches would move; max-moves (25%) allows 2",
    )


def test_a_part_of_a_branch_is_a_whole_one() -> None:
    assert AtMost(share=0.1).of(8) == 1
    assert AtMost(share=0.1).of(10) == 1
    assert AtMost(share=0.1).of(11) == 2


def test_a_guard_that_is_off_holds_up_nothing() -> None:
    assert moving(12, 12, Guards(max_moves=None)).guards == ()


def test_a_change_cannot_loosen_the_guard_that_holds_it_up() -> None:
    found = moving(3, 8, Guards(max_moves=AtMost(2)), after=Guards(max_moves=None))
    assert len(found.guards) == 1
    assert [(change.what, change.was, change.now) for change in found.hub] == [("guard max-moves", "2", "off")]


def test_another_limit_alone_is_a_change_of_its_own() -> None:
    found = moving(0, 8, after=Guards(max_metered=5_000_000_000))
    assert not found.empty
    assert [(change.what, change.now) for change in found.hub] == [("guard max-metered", "5 GB a day")]


def one_path(guards: Guards) -> Plan:
    branches = many(4)
    cut = replace(branches[0], tunnels=branches[0].tunnels[:1])
    before: Intent = replace(a_network(*branches), guards=guards)
    return plan(before, a_network(cut, *branches[1:]), all_live(branches), NOW)


def test_branches_left_on_one_path_are_counted() -> None:
    assert one_path(Guards(max_one_path=AtMost(0))).guards == (
        "1 of 4 branches would be left on one path; max-one-path (0) allows 0",
    )
    assert one_path(Guards()).guards == ()


def metered(most: int | None, daily: dict[str, float]) -> tuple[str, ...]:
    before = replace(METERED, policy=replace(METERED.policy, metered=Metered.ALLOWED))
    networks = [replace(a_network(each), guards=Guards(max_metered=most)) for each in (before, turned(before))]
    return plan(*networks, live(METERED), NOW, daily=daily).guards


@pytest.mark.parametrize(
    ("most", "daily", "expected"),
    [
        (5_000_000_000, 3.1e9, ()),
        (3_000_000_000, 3.1e9, ("3.1 GB a day would move to metered lines; max-metered allows 3 GB",)),
        (None, 3.1e9, ()),
        (None, None, ()),
        (
            5_000_000_000,
            None,
            (
                (
                    "how much traffic would move to a metered line is not known yet (semarang); "
                    "max-metered allows 5 GB a day"
                ),
            ),
        ),
    ],
)
def test_traffic_to_metered_lines_is_limited_and_what_is_not_known_counts_as_more(
    most: int | None, daily: float | None, expected: tuple[str, ...]
) -> None:
    assert metered(most, {} if daily is None else {"semarang": daily}) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", USUAL_GUARDS),
        ("guards: {}", USUAL_GUARDS),
        ("guards: {max-moves: 10%}", replace(USUAL_GUARDS, max_moves=AtMost(share=0.1))),
        ("guards: {max-moves: 3, max-one-path: 0}", Guards(AtMost(3), AtMost(0))),
        ("guards: {max-moves: off, max-one-path: off, max-metered: off}", Guards(None, None, None)),
        ("guards: {max-metered: 2.5GB}", replace(USUAL_GUARDS, max_metered=2_500_000_000)),
    ],
)
def test_guards_are_read(tmp_path: Path, written: str, expected: Guards) -> None:
    configuration = reading(tmp_path, {"network.yaml": f"{NETWORK}{written}\n"})
    assert said(configuration) == ""
    assert configuration.intent is not None
    assert configuration.intent.guards == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("max-moves: 10 %", '"10 %" is no number of branches'),
        ("max-moves: 120%", '"120%" is no number of branches'),
        ("max-moves: -1", "the number -1 is no number of branches"),
        ("max-one-path: 0.1", "the number 0.1 is no number of branches"),
        ("max-metered: 5", "5 has no unit: a size is a number and one of kB, MB, GB, TB"),
        ("max-metered: 5GiB", '"5GiB" is no size'),
        ("max-metered: 10%", '"10%" is no size'),
        ("max-move: 3", 'unknown key "max-move"'),
    ],
)
def test_what_is_no_guard_is_said_with_its_place(tmp_path: Path, written: str, expected: str) -> None:
    text = said(reading(tmp_path, {"network.yaml": f"{NETWORK}guards: {{{written}}}\n"}))
    assert text.startswith("network.yaml:12:")
    assert expected in text
