"""schedule: whether a time of the week is now, and when that next changes. By the wall clock of a branch's zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from policies.model.clock import Instant, Now
from policies.model.policy import TimeWindow

A_WEEK = 8
"""Days to look ahead: each window begins once within them, also where it began today."""


def local(now: Now, timezone: str) -> datetime:
    """The wall clock in this zone."""
    return now.wall.astimezone(_zone(timezone))


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def within(windows: Iterable[TimeWindow], wall: datetime) -> bool:
    """Whether it is now in one of the windows; `wall` has the zone in which they are meant."""
    return any(begins <= wall.astimezone(UTC) < ends for window in windows for begins, ends in _near(window, wall, 1))


def next_change(windows: Iterable[TimeWindow], wall: datetime) -> datetime | None:
    """When one of the windows next begins or ends, in UTC; None if there are none."""
    present = wall.astimezone(UTC)
    edges = (edge for window in windows for span in _near(window, wall, A_WEEK) for edge in span if edge > present)
    return min(edges, default=None)


def instant_of(wall: datetime, now: Now) -> Instant:
    """The monotonic instant of a time of the wall clock, as far as that is not set meanwhile."""
    return Instant(now.monotonic + (wall - now.wall).total_seconds())


def wall_of(instant: Instant, now: Now) -> datetime:
    """The wall clock's time of a monotonic instant, as far as the wall clock has not been set since."""
    return now.wall + timedelta(seconds=instant - now.monotonic)


def _near(window: TimeWindow, wall: datetime, days: int) -> Iterable[tuple[datetime, datetime]]:
    """The window's occurrences from yesterday's on, for so many days, in UTC: days differ in length."""
    for ahead in range(-1, days + 1):
        day = wall.date() + timedelta(days=ahead)
        if day.weekday() not in window.days:
            continue
        begins = datetime.combine(day, window.begins, wall.tzinfo)
        last = day if window.ends > window.begins else day + timedelta(days=1)
        yield begins.astimezone(UTC), datetime.combine(last, window.ends, wall.tzinfo).astimezone(UTC)
