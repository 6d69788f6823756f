"""What the provisioner knows of a tunnel, with its times as moments of the report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from policies.model.clock import Now

_TIMES = ("since", "at", "rekey_at")


def made_report(facts: Mapping[str, Any], now: Now) -> dict[str, Any]:
    """The same facts; a time in them, in seconds of the wall clock, becomes `at` and `ago` (s; negative: to come)."""
    return {key: _told(key, value, now) for key, value in facts.items()}


def _told(key: str, value: Any, now: Now) -> Any:
    if isinstance(value, Mapping):
        return made_report(value, now)
    if key not in _TIMES or not isinstance(value, int | float):
        return value
    ago = now.wall.timestamp() - value
    return {"at": (now.wall - timedelta(seconds=ago)).isoformat(timespec="seconds"), "ago": round(ago, 1)}
