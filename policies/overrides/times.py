"""Times, lengths of time and rates as operators write them. Pure: the present time is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from policies import lengths
from policies.overrides.errors import NotDoneError

LONGEST = timedelta(days=366)
"""An override that should last longer belongs into the files."""
_CLOCK = re.compile(r"(?:(\d{4})-(\d{1,2})-(\d{1,2})[ T])?(\d{1,2}):(\d{2})")
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)/(min|h)")


class NoTimeError(NotDoneError):
    """What was written is no time, length of time or rate that is wanted here."""


def read_duration(text: str) -> timedelta:
    """Read `90s`, `30m`, `2h`, `1h30m`, `7d`.

    Raises:
        NoTimeError: it is no length of time, is none at all, or is over a year.
    """
    try:
        length = lengths.read(text)
    except lengths.TooLongError:
        length = timedelta.max
    except lengths.NoLengthError as error:
        raise NoTimeError(
            f'"{text.strip()[:40]}" is not a length of time: write a number and a unit, for example 30m, 2h or 7d'
        ) from error
    if length <= timedelta(0):
        raise NoTimeError(f'"{text.strip()[:40]}" is no time at all')
    return checked_length(length)


def checked_length(length: timedelta) -> timedelta:
    """The same.

    Raises:
        NoTimeError: it is longer than an override may last.
    """
    if length > LONGEST:
        raise NoTimeError(f"an override lasts {LONGEST.days} days at most: what is to stay belongs into the files")
    return length


def read_time(text: str, now: datetime) -> datetime:
    """Read `14:30`, the next time that the clock says so, or `2026-11-22 14:30`; in the zone of `now`, returned in UTC.

    When clocks go back, a time that comes twice is the first of the two.

    Raises:
        NoTimeError: it is no time, is over, or is one that clocks skip.
    """
    text = text.strip()
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise NoTimeError(f'"{text[:40]}" is not a time: write 14:30 or "2026-11-22 14:30"')
    year, month, day, hour, minute = (int(part) if part is not None else None for part in match.groups())
    try:
        at = now.replace(hour=hour or 0, minute=minute or 0, second=0, microsecond=0, fold=0)
        if year is not None and month is not None and day is not None:
            at = at.replace(year=year, month=month, day=day)
        elif at.astimezone(UTC) <= now.astimezone(UTC):
            at += timedelta(days=1)
        known = at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NoTimeError(f'"{text[:40]}" is not a time: {error}') from error
    if known.astimezone(now.tzinfo).replace(fold=0) != at:
        raise NoTimeError(f'there is no "{text}" in {zone_name(now)}: clocks are put forward over it')
    if known <= now.astimezone(UTC):
        raise NoTimeError(f'"{text}" is over: it is {now:%Y-%m-%d %H:%M} in {zone_name(now)}')
    return known


def read_rate(text: str) -> float:
    """Read `5/min` or `120/h`: so many branches a minute.

    Raises:
        NoTimeError: it is no rate.
    """
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / (60 if match[2] == "h" else 1) if match is not None else 0.0
    if not rate:
        raise NoTimeError(f'"{text[:40]}" is not a rate: write so many branches a minute, for example 5/min')
    return rate


def shown(at: datetime, now: datetime) -> str:
    """A time as people read it, in the zone of `now`: with its date only where it is another day."""
    there = at.astimezone(now.tzinfo)
    return f"{there:%H:%M}" if there.date() == now.date() else f"{there:%Y-%m-%d %H:%M}"


def zone_name(at: datetime) -> str:
    """The zone as it is written in files, else its offset."""
    key = getattr(at.tzinfo, "key", None)
    return str(key) if key else at.strftime("%z")
