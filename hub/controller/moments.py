"""Instants as plain data for reports: by the wall clock, and how long ago."""

from __future__ import annotations

from typing import Any

from policies.model.clock import Instant, Now
from policies.schedule import wall_of


def moment(instant: Instant, now: Now) -> dict[str, Any]:
    """`at` by the wall clock, and `ago` in seconds."""
    return {"at": wall_of(instant, now).isoformat(timespec="milliseconds"), "ago": round(now.monotonic - instant, 3)}


def at_second(instant: Instant, now: Now) -> str:
    """By the wall clock, to the second."""
    return wall_of(instant, now).isoformat(timespec="seconds")
