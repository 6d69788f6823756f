"""Times and round trips as people read them."""

from __future__ import annotations

from datetime import datetime


def round_trip(milliseconds: float) -> str:
    """`0.8 ms`, `2.4 ms`, `31 ms`: two digits are enough to see that a line is slow."""
    return f"{milliseconds:.2g} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"


def day_and_time(text: str, now: str | None = None) -> str:
    """A time of a report as `14:00`; with its date where that is another than that of `now` (None: of the clock)."""
    at = datetime.fromisoformat(text)
    today = datetime.fromisoformat(now) if now is not None else datetime.now(at.tzinfo)
    return f"{at:%H:%M}" if at.date() == today.astimezone(at.tzinfo).date() else f"{at:%Y-%m-%d %H:%M}"
