"""Times of the week and communities, as they are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.policy.communities import read_community, read_large_community
from hub.config.policy.windows import EVERY_MINUTE, read_window, within
from hub.config.scalars import UnreadableError, read_script
from policies.model.policy import TimeWindow
from policies.policy_words import window_words

EVERY_DAY = frozenset(range(7))
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(TimeWindow, st.frozensets(st.integers(0, 6), min_size=1), clocks, clocks).filter(
    lambda window: window.begins != window.ends or window.ends == time()
)


@pytest.mark.parametrize(
    ("text", "days", "begins", "ends"),
    [
        ("Mon-Fri 18:00-22:00", {0, 1, 2, 3, 4}, time(18), time(22)),
        ("Sat,Sun 00:00-24:00", {5, 6}, time(), time()),
        ("22:00-05:00", EVERY_DAY, time(22), time(5)),
        ("Fri-Mon 8:30-9:00", {4, 5, 6, 0}, time(8, 30), time(9)),
        ("Mon,Wed-Thu,Sun 18:00-24:00", {0, 2, 3, 6}, time(18), time()),
        ("Mon-Mon 12:00-13:00", {0}, time(12), time(13)),
    ],
)
def test_a_window_is_days_and_two_times(text: str, days: set[int], begins: time, ends: time) -> None:
    assert read_window(text) == TimeWindow(frozenset(days), begins, ends)


@pytest.mark.parametrize(
    ("value", "problem", "mend"),
    [
        ("18:00-18:00", "is empty: it ends as it begins", 'write "00:00-24:00" for whole days'),
        ("Mon 18:00-18:00", "is empty", 'write "Mon 00:00-24:00" for whole days'),
        ("24:00-05:00", "is no window", None),
        ("18:00-25:00", "is no window", None),
        ("18:60-19:00", "is no window", None),
        ("mon-fri 18:00-22:00", "is no window", 'write "Mon-Fri 18:00-22:00"'),
        ("Monday - Friday 18:00 to 22:00", "is no window", 'write "Mon-Fri 18:00-22:00"'),
        ("Mon–Fri 18:00–22:00", "is no window", 'write "Mon-Fri 18:00-22:00"'),
        ("18:00", "is no window", None),
        ("Funday 18:00-22:00", "is no window", None),
        (1080, "the number 1080 is no window: YAML has reckoned with a time", None),
        (True, "true where text is wanted", None),
    ],
)
def test_what_is_no_window_is_said_with_its_mend(value: object, problem: str, mend: str | None) -> None:
    with pytest.raises(UnreadableError) as found:
        read_window(value)
    assert problem in str(found.value)
    assert mend is None or found.value.mend == mend


@given(windows)
def test_a_window_that_is_said_is_read_as_the_same(window: TimeWindow) -> None:
    assert read_window(window_words(window)) == window


@given(st.one_of(st.text(), st.text(alphabet="MonTueFri 0123456789:-,"), st.integers(), st.none()))
def test_reading_a_window_never_fails_in_another_way(value: object) -> None:
    try:
        read_window(value)
    except UnreadableError as problem:
        assert str(problem)


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("Mon 08:00-09:00", "Mon-Fri 08:00-18:00", True),
        ("Sat 08:00-09:00", "Mon-Fri 08:00-18:00", False),
        ("Tue 00:00-05:00", "Mon 22:00-05:00", True),
        ("Mon 00:00-05:00", "Sun 22:00-05:00", True),
        ("Mon 00:00-05:01", "Sun 22:00-05:00", False),
        ("22:00-05:00", "00:00-24:00", True),
        ("00:00-24:00", "22:00-05:00", False),
    ],
)
def test_a_window_lies_within_another_by_the_minutes_of_the_week(inner: str, outer: str, expected: bool) -> None:
    assert within([read_window(inner)], [read_window(outer)]) is expected


@given(windows, windows)
def test_every_window_lies_within_itself_and_more(one: TimeWindow, other: TimeWindow) -> None:
    assert within([one], [one, other])
    assert within([one, other], EVERY_MINUTE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("65000:100", (65000, 100)), ("0:0", (0, 0)), ("graceful-shutdown", (65535, 0)), ("no-export", (65535, 65281))],
)
def test_a_community_is_two_numbers_or_a_name(text: str, expected: tuple[int, int]) -> None:
    assert read_community(text) == expected


def test_a_large_community_is_three_numbers() -> None:
    assert read_large_community("65000:1:4294967295") == (65000, 1, 4294967295)


@pytest.mark.parametrize(
    ("read", "value", "problem", "mend"),
    [
        (read_community, "65000:70000", "has a number above 65535", None),
        (read_community, "65000:1:2", "has three numbers", 'write it as large-communities: ["65000:1:2"]'),
        (read_community, "no-exports", "is no community", 'write "no-export"'),
        (read_community, 65000, "65000 is one number, a community has two", None),
        (read_large_community, "65000:1", "is no large community", None),
        (read_large_community, "1:2:4294967296", "has a number above 4294967295", None),
        (read_script, "Even Out.py", "is no Python file of policies/", 'rename it to "even_out.py"'),
        (read_script, "../secrets.py", "is no Python file of policies/", None),
        (read_script, "even_out", "is no Python file of policies/", 'rename it to "even_out.py"'),
    ],
)
def test_what_is_no_community_and_no_script_is_said(
    read: Callable[[object], object], value: object, problem: str, mend: str | None
) -> None:
    with pytest.raises(UnreadableError) as found:
        read(value)
    assert problem in str(found.value)
    assert mend is None or found.value.mend == mend
