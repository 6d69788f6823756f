"""Overrides for tests: drains, switches and freezes with little to say about each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from policies.model.clock import Instant, Now
from policies.model.overrides import Author, Drain, Freeze, Overrides, Switch, Target

ROOT = Author(0, "root")
NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
"""Noon in Jakarta."""
NOW = Now(Instant(1000.0), NOON.astimezone(ZoneInfo("Asia/Jakarta")))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def a_drain(
    number: int, target: str, begins: float = 0.0, until: float | None = None, *, rate: float = 0.0, reason: str = ""
) -> Drain:
    """A drain made at noon; `begins` and `until` in minutes after it."""
    ends = NOON + minutes(until) if until is not None else None
    return Drain(number, ROOT, NOON, NOON + minutes(begins), ends, reason, Target(target), rate=rate)


def a_switch(number: int, branch: str, to: str, until: float | None = None) -> Switch:
    return Switch(number, ROOT, NOON, NOON, NOON + minutes(until) if until is not None else None, "", branch, to)


def a_freeze(number: int, until: float | None = None) -> Freeze:
    return Freeze(number, ROOT, NOON, NOON, NOON + minutes(until) if until is not None else None, "")


def drains(*made: Drain) -> Overrides:
    return Overrides(drains=made)
