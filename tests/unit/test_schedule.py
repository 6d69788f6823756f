"""Times of the week by the wall clock of a zone: within, and when that next changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model.policy import TimeWindow
from policies.schedule import next_change, within

EVERY_DAY = frozenset(range(7))
WORK = TimeWindow(frozenset(range(5)), time(8), time(18))
NIGHT = TimeWindow(EVERY_DAY, time(22), time(5))
WHOLE_SATURDAY = TimeWindow(frozenset({5}), time(0), time(0))
JAKARTA = ZoneInfo("Asia/Jakarta")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """November 2026: the 16th is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=JAKARTA)


@pytest.mark.parametrize(
    ("window", "wall", "inside"),
    [
        (WORK, at(16, 7, 59), False),
        (WORK, at(16, 8), True),
        (WORK, at(16, 17, 59), True),
        (WORK, at(16, 18), False),
        (WORK, at(21, 12), False),
        (NIGHT, at(16, 21), False),
        (NIGHT, at(16, 23), True),
        (NIGHT, at(17, 4, 59), True),
        (NIGHT, at(17, 5), False),
        (WHOLE_SATURDAY, at(21, 0), True),
        (WHOLE_SATURDAY, at(21, 23, 59), True),
        (WHOLE_SATURDAY, at(22, 0), False),
    ],
)
def test_a_moment_is_inside_a_window_or_not(window: TimeWindow, wall: datetime, inside: bool) -> None:
    assert within([window], wall) is inside


@pytest.mark.parametrize(
    ("window", "wall", "next_edge"),
    [
        (WORK, at(16, 7), at(16, 8)),
        (WORK, at(16, 9), at(16, 18)),
        (WORK, at(20, 19), at(23, 8)),
        (NIGHT, at(17, 1), at(17, 5)),
        (WHOLE_SATURDAY, at(22, 1), at(28, 0)),
    ],
)
def test_the_next_change_is_the_next_edge(window: TimeWindow, wall: datetime, next_edge: datetime) -> None:
    assert next_change([window], wall) == next_edge


def test_no_window_never_changes() -> None:
    assert next_change([], at(16, 7)) is None


def test_a_window_that_begins_in_an_hour_that_does_not_exist_is_not_lost() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    window = TimeWindow(frozenset({6}), time(2, 30), time(4))  # on 29 March 2026 the clock jumps from 2:00 to 3:00
    assert within([window], datetime(2026, 3, 29, 3, 45, tzinfo=berlin))
    assert not within([window], datetime(2026, 3, 29, 4, 1, tzinfo=berlin))


times = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 59)))
windows = st.builds(TimeWindow, st.frozensets(st.integers(0, 6), min_size=1), times, times)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001


@given(st.lists(windows, min_size=1, max_size=3), moments)
def test_nothing_changes_before_the_next_change(several: list[TimeWindow], moment: datetime) -> None:
    edge = next_change(several, moment)
    assert edge is not None
    assert edge > moment
    span = (edge - moment) / 4
    seen = {within(several, moment + span * part) for part in range(4)}
    assert len(seen) == 1
    assert within(several, edge - timedelta(microseconds=1)) in seen
