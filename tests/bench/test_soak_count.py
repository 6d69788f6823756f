"""What counts as a death in a soak, what explains one, and what a BIRD's log says of it."""

from __future__ import annotations

import os

import pytest
from soak_bird_log import BirdLog
from soak_count import Change, Death, Eye, Kind, Span, deaths, differences, from_forwarder, moments, rows, unexplained
from soak_course import Course
from soak_network import Wanted, is_remains

ALWAYS = Span(0.0, 1000.0)
INTERVAL = 0.05


def down(at: float, kind: Kind = Kind.EXPIRED, *, eye: Eye = Eye.HUB, heard: float | None = None) -> Change:
    return Change(eye, "bandung/fiber", at, kind, heard=heard)


def up(at: float, *, eye: Eye = Eye.HUB) -> Change:
    return Change(eye, "bandung/fiber", at, None)


def found(*changes: Change, freezes: tuple[Span, ...] = (), stops: tuple[Span, ...] = ()) -> list[Death]:
    return deaths(changes, freezes, stops, INTERVAL, ALWAYS)


@pytest.mark.parametrize(
    ("begins", "ends", "explains"),
    [
        pytest.param(99.9, 100.1, True, id="while it was silent"),
        pytest.param(99.70, 99.79, False, id="before the last packet's interval"),
        pytest.param(99.70, 99.81, True, id="into the last packet's interval"),
        pytest.param(99.99, 100.5, True, id="begins before the death"),
        pytest.param(100.01, 100.5, False, id="begins after the death"),
    ],
)
def test_a_freeze_explains_a_death_when_it_overlaps_its_silence(begins: float, ends: float, explains: bool) -> None:
    [death] = found(down(100.0, heard=99.85), freezes=(Span(begins, ends),))
    assert death.in_freeze is explains
    assert bool(unexplained([death])) is not explains


def test_a_freeze_of_one_processor_is_told_and_explains_nothing() -> None:
    [death] = found(down(100.0, heard=99.85), freezes=(Span(99.9, 100.0, processor=1),))
    assert death.in_freeze_of_one
    assert unexplained([death]) == [death]


def test_a_stop_is_told_and_explains_nothing() -> None:
    [death] = found(down(100.0, heard=99.85), stops=(Span(99.9, 100.0),))
    assert death.in_stop
    assert unexplained([death]) == [death]


def test_what_one_side_is_told_is_explained_by_what_explains_the_others_death() -> None:
    silent, told = down(100.0, eye=Eye.BRANCH, heard=99.75), down(100.03, Kind.TOLD, heard=100.03)
    assert [death.in_freeze for death in found(silent, told, freezes=(Span(99.8, 99.9),))] == [True, True]


def test_a_death_of_which_the_other_side_was_told_is_one_that_is_not_explained() -> None:
    judged = found(down(100.0, eye=Eye.BRANCH, heard=99.75), down(100.03, Kind.TOLD, heard=100.03))
    assert [death.follows for death in judged] == [False, True]
    assert unexplained(judged) == judged[:1]


def test_a_death_that_was_told_by_nobody_who_died_is_not_explained() -> None:
    judged = found(down(100.03, Kind.TOLD, heard=100.03))
    assert unexplained(judged) == judged


@pytest.mark.parametrize("late", [98.9, 100.2])
def test_a_death_long_ago_or_later_is_not_why_the_other_side_was_told(late: float) -> None:
    silent, told = down(late, eye=Eye.BRANCH, heard=late - 0.25), down(100.0, Kind.TOLD, heard=100.0)
    judged = found(silent, told, freezes=(Span(late - 0.15, late - 0.1),))
    assert {death.kind: death.in_freeze for death in judged} == {Kind.EXPIRED: True, Kind.TOLD: False}


def test_a_soft_death_that_becomes_hard_is_one_that_is_not_explained() -> None:
    judged = found(down(10.0, Kind.CONFIRMED), down(10.1), up(11.0))
    assert [death.kind for death in judged] == [Kind.CONFIRMED, Kind.HARDENED]
    assert len(unexplained(judged)) == 1


def test_a_soft_death_that_is_told_again_is_still_one_soft_death() -> None:
    assert [death.kind for death in found(down(10.0, Kind.CONFIRMED), down(10.1, Kind.CONFIRMED))] == [Kind.CONFIRMED]


def test_deaths_of_a_rare_kind_have_a_row_when_there_are_any() -> None:
    assert (Eye.HUB, Kind.OTHER) in {(row.eye, row.kind) for row in rows(found(down(10.0, Kind.OTHER)))}


def test_a_tunnel_dies_again_only_after_it_was_up() -> None:
    assert len(found(down(10.0), down(10.0), up(12.0), down(13.0))) == 2


def test_both_sides_are_counted_apart_and_in_the_order_of_time() -> None:
    judged = found(down(20.0), down(10.0, eye=Eye.BRANCH))
    assert [death.change.eye for death in judged] == [Eye.BRANCH, Eye.HUB]


def test_deaths_before_and_after_the_measurement_do_not_count() -> None:
    changes = [down(1.0), up(2.0), down(5.0), up(6.0), down(9.0)]
    assert [death.change.at for death in deaths(changes, (), (), INTERVAL, Span(4.0, 8.0))] == [5.0]


def test_the_rows_add_up_by_side_and_kind() -> None:
    changes = [down(10.0, heard=9.85), up(12.0), down(20.0, heard=19.85), down(20.1, Kind.TOLD, eye=Eye.BRANCH)]
    table = {(row.eye, row.kind): row for row in rows(found(*changes, freezes=(Span(19.9, 20.0),)))}
    hard = table[Eye.HUB, Kind.EXPIRED]
    assert (hard.all, hard.in_freeze, hard.not_in_freeze, hard.moments) == (2, 1, 1, 2)
    assert (table[Eye.BRANCH, Kind.TOLD].all, table[Eye.BRANCH, Kind.TOLD].in_freeze) == (1, 1)
    assert table[Eye.HUB, Kind.CONFIRMED].all == 0
    assert (Eye.HUB, Kind.OTHER) not in table


def test_deaths_within_a_quarter_of_a_second_are_of_one_moment() -> None:
    assert moments([5.0, 1.0, 1.2, 1.4, 1.7]) == 3
    assert moments([]) == 0


def liveness(**more: object) -> dict[str, object]:
    says = {"tunnel": "bandung/fiber", "state": "down", "since": 12.5, "hard": True, "reason": "", "rtt_ms": None}
    return says | {"last_heard": 12.35} | more


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ({"reason": "silent for 151 ms (3 x 50 ms)"}, Kind.EXPIRED),
        ({"reason": "5 probes unanswered", "hard": False}, Kind.CONFIRMED),
        ({"reason": "the branch says down (detection time expired)"}, Kind.TOLD),
        ({"reason": "the branch closed its BFD session (administratively down)"}, Kind.TOLD),
        ({"reason": "the interface wg51000 is gone"}, Kind.OTHER),
        ({"state": "up", "reason": "BFD up"}, None),
    ],
)
def test_the_forwarder_says_how_a_tunnel_died(says: dict[str, object], kind: Kind | None) -> None:
    change = from_forwarder(liveness(**says))
    assert change is not None
    assert (change.eye, change.tunnel, change.at, change.kind) == (Eye.HUB, "bandung/fiber", 12.5, kind)
    assert change.heard == (None if kind is None else 12.35)


def test_a_tunnel_of_which_nothing_is_known_is_neither_up_nor_down() -> None:
    assert from_forwarder(liveness(state="unknown")) is None


UP = "1000.000001 <TRACE> bfd1: Session to 10.255.0.0 changed state from Init to Up\n"
EXPIRED = "1010.250000 <TRACE> bfd1: Session to 10.255.0.0 expired\n"
DOWN = "1010.250000 <TRACE> bfd1: Session to 10.255.0.0 changed state from Up to Down\n"


def bird(*texts: str, epoch: float = 0.0) -> list[Change]:
    log = BirdLog(Eye.BRANCH, {"10.255.0.0": "bandung/fiber"}, detection=0.25)
    return [change for text in texts for change in log.feed(text, epoch)]


def test_a_session_that_expires_in_birds_log_was_last_heard_a_detection_time_before() -> None:
    assert bird(UP + EXPIRED + DOWN, epoch=-1000.0)[1:] == [
        Change(Eye.BRANCH, "bandung/fiber", 10.25, Kind.EXPIRED, "silent for 250 ms", 10.0)
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (DOWN, Kind.TOLD),
        ("1010.2 <TRACE> bfd1: Session to 10.255.0.0 changed state from Up to AdminDown\n", Kind.OTHER),
        ("1010.2 <TRACE> bfd1: Session to 10.255.0.0 removed\n", Kind.OTHER),
        ("1010.2 <TRACE> bfd1: Session to 10.255.0.0%fiber expired\n" + DOWN, Kind.EXPIRED),
    ],
)
def test_other_ends_of_a_session_in_birds_log_are_told_apart(line: str, kind: Kind) -> None:
    assert [change.kind for change in bird(UP, line)] == [None, kind]


@pytest.mark.parametrize(
    "text",
    [
        EXPIRED + DOWN,
        UP.replace("10.255.0.0", "10.255.0.2"),
        UP.replace("Up", "Down").replace("Init", "Down"),
        "1000.0 <TRACE> hub1: Connected\n",
        "bird: 1000.0 nonsense\n\n",
    ],
)
def test_what_is_no_change_of_a_tunnel_that_was_up_is_left_out(text: str) -> None:
    assert bird(text) == []


def test_an_expiry_is_not_remembered_beyond_the_next_time_that_the_session_is_up() -> None:
    assert [change.kind for change in bird(UP + EXPIRED + DOWN + UP + DOWN)][-1] is Kind.TOLD


@pytest.mark.parametrize("cut", range(1, len(UP + EXPIRED + DOWN), 7))
def test_a_log_may_be_read_in_any_pieces(cut: int) -> None:
    text = UP + EXPIRED + DOWN
    assert bird(text[:cut], text[cut:]) == bird(text)


def test_counters_are_told_by_how_much_they_grew() -> None:
    before = {"bfd-sent": 10, "orders": 2, "loop lateness, microseconds": 90}
    after = {"bfd-sent": 15, "orders": 2, "confirmations-begun": 3, "loop lateness, microseconds": 70}
    assert differences(before, after) == {"bfd-sent": 5, "confirmations-begun": 3, "loop lateness, microseconds": 70}


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (Wanted(), "liveness: {method: bfd, interval: 50ms, multiplier: 3}"),
        (Wanted(confirm=False), "liveness: {method: bfd, interval: 50ms, multiplier: 3, confirm: false}"),
        (Wanted(bfd=False, interval_ms=20), "liveness: {method: icmp, interval: 20ms, multiplier: 3}"),
    ],
)
def test_liveness_is_written_for_every_branch(wanted: Wanted, written: str) -> None:
    assert written in wanted.branch_file(3).splitlines()


def test_stops_are_spread_over_the_time_and_the_same_for_the_same_seed() -> None:
    course = Course(seconds=300.0, stops=30, seed=7)
    at = course.stops_at()
    assert at == Course(seconds=300.0, stops=30, seed=7).stops_at() != Course(300.0, stops=30, seed=8).stops_at()
    assert [int(one // 10) for one in at] == list(range(30))
    assert Course(seconds=300.0).stops_at() == []


@pytest.mark.parametrize(
    ("name", "remains"),
    [(f"soak{os.getpid()}-b001", False), ("soak4194305-b001", True), ("soak4194305b001", False), ("soaked", False)],
)
def test_only_what_a_process_made_that_is_gone_is_removed(name: str, remains: bool) -> None:
    assert is_remains(name) is remains
