"""From packets sent and received to outages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lab.outages import Direction, Outage, measure
from hub.lab.probe import ProbeReport
from hub.lab.report import probe_json, probe_text

EVER = (-math.inf, math.inf)


def seen(sent: list[float], received: list[int], since: float = EVER[0], until: float = EVER[1]) -> Direction:
    """Measured with packets a second apart."""
    return measure(sent, received, 1.0, since=since, until=until)


def spans(direction: Direction) -> list[tuple[float, float, int, bool]]:
    """Start, milliseconds, lost, ended."""
    return [(one.start, one.length_ms, one.lost, one.ended) for one in direction.outages]


TEN = [float(number) for number in range(10)]


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (range(10), []),
        ([0, 1, 5, 6, 7, 8, 9], [(2.0, 3000.0, 3, True)]),
        ([3, 4, 5, 6, 7, 8, 9], [(0.0, 3000.0, 3, True)]),
        ([0, 1, 2, 3, 4, 5, 6, 7], [(8.0, 1000.0, 2, False)]),
        ([0, 2, 4, 5, 6, 7, 8, 9], [(1.0, 1000.0, 1, True), (3.0, 1000.0, 1, True)]),
        ([], [(0.0, 9000.0, 10, False)]),
    ],
)
def test_an_outage_lasts_from_the_first_lost_to_the_first_received(
    received: list[int], expected: list[tuple[float, float, int, bool]]
) -> None:
    assert spans(seen(TEN, list(received))) == expected


def test_packets_that_overtake_each_other_are_not_lost() -> None:
    assert seen(TEN, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]).lost == 0


def test_a_packet_that_arrives_twice_counts_once() -> None:
    assert seen([0.0, 1.0], [0, 0]).lost == 1


def test_an_outage_counts_where_it_begins() -> None:
    received = [0, 1, 2, 3, 6, 7, 8, 9]
    assert spans(seen(TEN, received, since=0, until=5)) == [(4.0, 0.0, 1, False)]
    assert spans(seen(TEN, received, since=3)) == [(4.0, 2000.0, 2, True)]
    assert spans(seen(TEN, received, since=5)) == []


def test_packets_that_may_be_on_their_way_are_not_looked_at() -> None:
    direction = seen(TEN, [0, 1, 2], until=3)
    assert (direction.sent, direction.lost) == (3, 0)


def test_a_late_sender_makes_the_resolution_worse() -> None:
    assert seen([0, 1, 2, 7, 8], [0, 1, 3, 4]).resolution_ms == 5000
    assert seen([0, 1, 2, 3, 4], [0, 1, 3, 4]).resolution_ms == 1000


def test_without_packets_nothing_is_claimed() -> None:
    assert seen([], []) == Direction(0, 0, (), 1000.0)


@given(st.lists(st.booleans(), max_size=60))
def test_what_is_lost_is_exactly_what_lies_in_outages(arrived: list[bool]) -> None:
    sent = [float(number) for number in range(len(arrived))]
    direction = seen(sent, [number for number, came in enumerate(arrived) if came])
    assert direction.lost == arrived.count(False) == sum(outage.lost for outage in direction.outages)


REPORT = {
    "bandung": ProbeReport(
        Direction(1000, 58, (Outage(101.5, 58.2, 58, ended=True),), 1.0),
        Direction(1000, 100, (Outage(101.5, 62.0, 60, ended=True), Outage(102.0, 40.0, 40, ended=False)), 4.2),
    )
}


def test_the_report_says_each_way_its_outages_and_their_resolution() -> None:
    late = "  (known to 4 ms: the sender was late)"
    assert probe_text(REPORT, started=100.0, interval_ms=1).splitlines() == [
        "BRANCH   WAY           SENT     LOST  OUTAGES",
        "bandung  to branch     1000       58  58 ms at 1.50 s",
        f"bandung  to hub        1000      100  62 ms at 1.50 s, 40 ms or more at 2.00 s{late}",
        "one packet each way every 1 ms: known to that, where nothing else is said",
    ]


def test_the_report_for_programs_counts_from_the_start_of_the_probe() -> None:
    value = probe_json(REPORT, started=100.0)["bandung"]["to_branch"]
    assert value["outages"] == [{"start_s": 1.5, "length_ms": 58.2, "lost": 58, "ended": True}]
