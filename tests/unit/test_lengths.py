"""Lengths of time: what is accepted everywhere alike, and that what is written is read again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli import lab_arguments, saying
from hub.config import scalars
from hub.control.confirm_within import read_confirm_within
from policies.lengths import NoLengthError, TooLongError, in_seconds, read, spoken, spoken_to_tenths, written
from policies.overrides import times

READERS: tuple[Callable[[str], timedelta | float], ...] = (
    read,
    scalars.read_duration,
    scalars.read_interval,
    read_confirm_within,
    times.read_duration,
    saying.duration_seconds,
    lab_arguments.duration_seconds,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("80us", 0.00008),
        ("50ms", 0.05),
        ("90s", 90.0),
        ("1.5h", 5_400.0),
        ("1h30m", 5_400.0),
        ("1m500ms", 60.5),
        ("7d", 604_800.0),
        ("2w", 1_209_600.0),
        ("0s", 0.0),
        (" 5m ", 300.0),
    ],
)
def test_a_length_is_numbers_with_units(text: str, seconds: float) -> None:
    assert read(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5_400), ("1w", 604_800), ("20000ms", 20)])
def test_a_length_is_accepted_wherever_one_is_wanted(
    reader: Callable[[str], timedelta | float], text: str, seconds: float
) -> None:
    found = reader(text)
    assert (found.total_seconds() if isinstance(found, timedelta) else found) == seconds


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", ["60", "", "2 h", "-2h", "2h x", "h", "1h30", "1.h", "²s", "5M", "1s\n2s"])
def test_what_is_no_length_is_refused_wherever_one_is_wanted(
    reader: Callable[[str], timedelta | float], text: str
) -> None:
    with pytest.raises((ValueError, argparse.ArgumentTypeError)):
        reader(text)


def test_a_text_without_end_is_no_length() -> None:
    with pytest.raises(NoLengthError, match=r"^.{1,160}$"):
        read("1h" * 10_000)


def test_a_length_that_no_clock_runs_is_said_to_be_one() -> None:
    with pytest.raises(TooLongError, match="longer than any clock runs"):
        read("999999999d1d")


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(microseconds=80), "0.08ms"),
        (timedelta(milliseconds=50), "50ms"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(seconds=60), "60s"),
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(hours=1), "1h"),
        (timedelta(days=30), "30d"),
        (timedelta(seconds=2_592_001), "2592001s"),
    ],
)
def test_a_length_is_written_in_the_largest_unit_that_has_it_whole(length: timedelta, text: str) -> None:
    assert written(length) == text


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=10_000)))
def test_what_is_written_is_read_again(length: timedelta) -> None:
    assert read(written(length)) == length


@given(st.text(alphabet="0123456789.usmhdw -", max_size=50))
def test_no_text_is_anything_but_a_length_or_refused(text: str) -> None:
    try:
        length = read(text)
    except NoLengthError:
        return
    assert length >= timedelta()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.08, "80 ms"), (0.0001, "0.1 ms"), (1.0, "1 s"), (2.5, "2.5 s"), (2_592_000.0, "2592000 s")],
)
def test_a_figure_is_in_seconds_or_milliseconds(seconds: float, text: str) -> None:
    assert in_seconds(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (130, "2m 10s"), (10_920, "3h 2m"), (90_000, "1d 1h"), (1_036_900, "12d")]
)
def test_a_length_is_spoken_in_two_units(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (66.4, "66.4s"), (599.0, "599s"), (7_380.0, "2h 3m"), (1_036_925.0, "12d 2m 5s")],
)
def test_tenths_are_spoken_while_they_matter(seconds: float, text: str) -> None:
    assert spoken_to_tenths(seconds) == text
