"""lengths: lengths of time, read and written as in files and commands, and spoken of as people do."""

from __future__ import annotations

import re
from datetime import timedelta

WRITTEN = r"([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d|w))+"
"""How a length of time is written: `50ms`, `1.5h`, `1h30m`."""
LIKE = "a duration is a number and a unit, for example 50ms, 1s, 5m, 2h or 7d"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d|w)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_LONGEST_TEXT = 40
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_WHOLE = ((_DAY, "d", _DAY), (_HOUR, "h", _HOUR), (_MINUTE, "m", 2 * _MINUTE))
_SPOKEN = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class NoLengthError(ValueError):
    """What was written is no length of time; the text says what one is."""


class TooLongError(NoLengthError):
    """It is a length of time, but longer than any clock runs."""


def read(text: str) -> timedelta:
    """Read `50ms`, `90s`, `1.5h`, `1h30m`, `7d`, `2w`; `0s` too. Blanks around it are nothing.

    Raises:
        NoLengthError: it is none, as where the unit is missing.
    """
    text = text.strip()
    if len(text) > _LONGEST_TEXT or not re.fullmatch(WRITTEN, text):
        raise NoLengthError(f'"{text[:60]}" is no duration: {LIKE}')
    try:
        return timedelta(seconds=sum(float(part[1]) * _SECONDS[part[2]] for part in _PART.finditer(text)))
    except OverflowError as error:
        raise TooLongError(f'"{text}" is longer than any clock runs: {LIKE}') from error


def written(length: timedelta) -> str:
    """As it is written, in the largest unit of which it is a whole number; a minute as `60s`. `read` reads the same."""
    for unit, name, least in _WHOLE:
        if length >= least and not length % unit:
            return f"{length // unit}{name}"
    number, unit_name = _figure(length.total_seconds())
    return f"{number}{unit_name}"


def in_seconds(seconds: float) -> str:
    """As a figure of a sentence: `60 s`, `0.5 s` as `500 ms`."""
    number, unit_name = _figure(seconds)
    return f"{number} {unit_name}"


def spoken(seconds: float, units: int = 2) -> str:
    """`2m 10s`, `3h 2m`, `12d`: at most two units, or so many as are asked for, none smaller than a second."""
    return _spoken(max(0, int(seconds)), units, enough_days=10)


def spoken_to_tenths(seconds: float) -> str:
    """`66.4s` up to ten minutes, where tenths matter; `2h 3m` above, in at most three units."""
    if seconds < 600:
        return f"{seconds:.1f}s".replace(".0s", "s")
    return _spoken(round(seconds), 3)


def _spoken(rest: int, units: int, enough_days: int | None = None) -> str:
    parts: list[str] = []
    for unit, size in _SPOKEN:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == units or (unit == "d" and enough_days is not None and count >= enough_days):
            break
    return " ".join(parts) or "0s"


def _figure(seconds: float) -> tuple[str, str]:
    """In seconds, or where that is less than one in milliseconds; to a microsecond."""
    if seconds >= 1 or not seconds:
        return f"{seconds:.6f}".rstrip("0").rstrip("."), "s"
    return f"{seconds * 1000:.3f}".rstrip("0").rstrip("."), "ms"
