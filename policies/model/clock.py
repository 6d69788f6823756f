"""Time, as the core is given it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

Instant = NewType("Instant", float)
"""Seconds of the machine's monotonic clock, the same for all processes of one machine."""

NEVER = Instant(0.0)
"""Before anything happened."""


@dataclass(frozen=True, slots=True)
class Now:
    """A Now is one moment on both clocks: `monotonic` for intervals, `wall` (with its zone) for calendars."""

    monotonic: Instant
    wall: datetime
