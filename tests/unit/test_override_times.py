"""Times, lengths of time and rates as operators write them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from policies.overrides.times import read_duration, read_rate, read_time, zone_name

JAKARTA, BERLIN = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 22, 12, 0, 30, tzinfo=JAKARTA)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("7d", 604800), ("1w", 604800)],
)
def test_a_length_of_time_has_units(text: str, seconds: float) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("60", '"60" is not a length of time: write a number and a unit, for example 30m, 2h or 7d'),
        ("", "is not a length of time"),
        ("2 h", "is not a length of time"),
        ("-2h", "is not a length of time"),
        ("2h x", "is not a length of time"),
        ("0h", '"0h" is no time at all'),
        ("367d", "an override lasts 366 days at most: what is to stay belongs into the files"),
        ("999999w", "366 days at most"),
    ],
)
def test_what_is_no_length_of_time_is_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("14:30", "2026-11-22T14:30+07:00"),
        ("12:01", "2026-11-22T12:01+07:00"),
        ("12:00", "2026-11-23T12:00+07:00"),
        ("9:05", "2026-11-23T09:05+07:00"),
        ("2026-11-23 14:30", "2026-11-23T14:30+07:00"),
        ("2026-12-1T00:00", "2026-12-01T00:00+07:00"),
    ],
)
def test_a_time_is_the_next_one_of_the_hubs_clock(text: str, read: str) -> None:
    assert read_time(text, NOON) == datetime.fromisoformat(read)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("tomorrow", '"tomorrow" is not a time: write 14:30 or "2026-11-22 14:30"'),
        ("25:00", '"25:00" is not a time: hour must be in'),
        ("2026-02-30 12:00", "is not a time: day is out of range"),
        ("2026-11-22 11:59", '"2026-11-22 11:59" is over: it is 2026-11-22 12:00 in Asia/Jakarta'),
        ("0001-01-01 00:00", "is not a time|is over"),
        ("14:30:00", "is not a time"),
    ],
)
def test_what_is_no_time_to_come_is_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_time(text, NOON)


def test_a_time_that_clocks_skip_is_refused() -> None:
    with pytest.raises(ValueError, match='there is no "2026-03-29 02:30" in Europe/Berlin: clocks are put forward'):
        read_time("2026-03-29 02:30", datetime(2026, 3, 28, 12, 0, tzinfo=BERLIN))


def test_of_a_time_that_comes_twice_it_is_the_first() -> None:
    read = read_time("2026-10-25 02:30", datetime(2026, 10, 24, 12, 0, tzinfo=BERLIN))
    assert read == datetime.fromisoformat("2026-10-25T02:30+02:00")


@pytest.mark.parametrize(("text", "rate"), [("5/min", 5.0), ("120/h", 2.0), ("0.5/min", 0.5)])
def test_a_rate_is_branches_a_minute(text: str, rate: float) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize("text", ["5", "0/min", "-1/min", "5/s", "", "nan/min"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate: write so many branches a minute, for example 5/min"):
        read_rate(text)


def test_a_zone_has_the_name_that_files_give_it() -> None:
    assert zone_name(NOON) == "Asia/Jakarta"
    assert zone_name(datetime.fromisoformat("2026-11-22T12:00+07:00")) == "+0700"
