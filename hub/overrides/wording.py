"""Overrides in words, for the log and for answers. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.overrides.rows import Failback
from policies.lengths import spoken
from policies.model.overrides import Drain, Override, Switch
from policies.overrides.times import shown

SOON = timedelta(minutes=10)
"""How long before its end a drain warns of it; a shorter one when half of it is over."""


def named(override: Override) -> str:
    """`drain 5 of bandung/fiber`."""
    match override:
        case Drain():
            return f"drain {override.number} of {override.target.text}"
        case Switch():
            return f"switch {override.number} of {override.branch} to {override.to}"
        case Failback():
            return f"failback {override.number} of {override.branch}"
        case _:
            return f"freeze {override.number}"


def announced(override: Override, wall: datetime) -> str:
    """The whole of it, for the log."""
    begins = f" from {shown(override.begins, wall)}" if override.begins > override.made else ""
    until = f" until {shown(override.until, wall)}" if override.until is not None else ""
    forced = ", forced" if isinstance(override, Drain) and override.forced else ""
    reason = f": {override.reason}" if override.reason else ""
    return f"{named(override)}{begins}{until} by {override.author.user}{forced}{reason}"


def ends_soon(drain: Drain, wall: datetime) -> tuple[str, str] | None:
    """That its end is near, and what to do; None while it is not."""
    if drain.until is None or not drain.holds(wall):
        return None
    left = drain.until - wall.astimezone(UTC)
    if left > min(SOON, (drain.until - drain.begins) / 2):
        return None
    soon = spoken(left.total_seconds(), units=1)
    text = f"drain of {drain.target.text} ends in {soon}: extend it, or its traffic may come back"
    return text, f"pointsman drain {drain.number} --extend 1h"
