"""Times and lengths of time as people read them."""

from __future__ import annotations

from datetime import datetime

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def ago(seconds: float, units: int = 2) -> str:
    """`2m 10s`, `3h 2m`, `12d`: at most two units, or so many as are asked for, none smaller than a second."""
    rest = max(0, int(seconds))
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == units or (parts and unit == "d" and count >= 10):
            break
    return " ".join(parts) or "0s"


def round_trip(milliseconds: float) -> str:
    """`0.8 ms`, `2.4 ms`, `31 ms`: two digits are enough to see that a line is slow."""
    return f"{milliseconds:.2g} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"


def day_and_time(text: str, now: str | None = None) -> str:
    """A time of a report as `14:00`; with its date where that is another than that of `now` (None: of the clock)."""
    at = datetime.fromisoformat(text)
    today = datetime.fromisoformat(now) if now is not None else datetime.now(at.tzinfo)
    return f"{at:%H:%M}" if at.date() == today.astimezone(at.tzinfo).date() else f"{at:%Y-%m-%d %H:%M}"
