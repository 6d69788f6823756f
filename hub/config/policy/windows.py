"""Times of the week as a user writes them, `Mon-Fri 18:00-22:00`; and which of them lie within which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import time
from functools import lru_cache

from hub.config.scalars import UnreadableError, read_text, shown
from policies.model.policy import DAYS, TimeWindow

_DAY = rf"({'|'.join(DAYS)})"
_RANGE = rf"{_DAY}(-{_DAY})?"
_CLOCK = r"([01]?[0-9]|2[0-3]):[0-5][0-9]"
WINDOW = rf"({_RANGE}(,{_RANGE})* )?{_CLOCK}-({_CLOCK}|24:00)"

_LIKE = 'write it like "Mon-Fri 18:00-22:00", "Sat,Sun 00:00-24:00" or "22:00-05:00"'
EVERY_MINUTE = (TimeWindow(frozenset(range(7)), time(), time()),)
"""The whole week."""
_DAY_MINUTES, _WEEK_MINUTES = 24 * 60, 7 * 24 * 60


def read_window(value: object) -> TimeWindow:
    """A window: days, or none for every day, and two times; one that ends before it begins lasts into the next day."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise UnreadableError(f"{shown(value)} is no window: YAML has reckoned with a time", _LIKE)
    text = " ".join(read_text(value).split())
    if not re.fullmatch(WINDOW, text):
        raise UnreadableError(f'"{text[:60]}" is no window of time', _nearly(text))
    days, _, clocks = text.rpartition(" ")
    begins, ends = clocks.split("-")
    if _clock(begins) == _clock(ends) and ends != "24:00":
        whole = f"{days} 00:00-24:00".strip()
        raise UnreadableError(f'"{text}" is empty: it ends as it begins', f'write "{whole}" for whole days')
    return TimeWindow(_days(days), _clock(begins), _clock(ends))


def _nearly(text: str) -> str:
    fixed = re.sub(r"[\u2010-\u2015]| to ", "-", text.title().replace(" To ", "-"))
    fixed = re.sub(r"\s*([-,])\s*", r"\1", re.sub(r"([A-Z][a-z]{2})[a-z]*", r"\1", fixed))
    return f'write "{fixed}"' if re.fullmatch(WINDOW, fixed) else _LIKE


def _clock(text: str) -> time:
    hour, minute = map(int, text.split(":"))
    return time(hour % 24, minute)


def _days(text: str) -> frozenset[int]:
    if not text:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, length = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7
        days |= {(begin + step) % 7 for step in range(length + 1)}
    return frozenset(days)


def within(inner: Iterable[TimeWindow], outer: Iterable[TimeWindow]) -> bool:
    """Whether every minute of the first windows is one of the second ones too."""
    return not _minutes(tuple(inner)) & ~_minutes(tuple(outer))


@lru_cache(maxsize=256)
def _minutes(windows: tuple[TimeWindow, ...]) -> int:
    """The minutes of the week that they hold, one bit each, from Monday 00:00."""
    held = 0
    for window in windows:
        begin = window.begins.hour * 60 + window.begins.minute
        length = (window.ends.hour * 60 + window.ends.minute - begin - 1) % _DAY_MINUTES + 1
        for day in window.days:
            held |= ((1 << length) - 1) << (day * _DAY_MINUTES + begin)
    return held & ((1 << _WEEK_MINUTES) - 1) | held >> _WEEK_MINUTES
