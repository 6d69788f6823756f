"""What is remembered of the tunnels' health, in a file of the state directory: what is usual takes days to learn.

Instants are written by the wall clock, as the monotonic one begins anew with the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from hub.controller.health import HealthWatch, Kept
from policies.health.damping import NO_PENALTY, Penalty
from policies.health.memory import Degraded
from policies.health.usual import usual_from_json
from policies.model.clock import NEVER, Instant
from policies.model.ids import TunnelId

WRITE_SECONDS, SHORTEST_SECONDS = 600.0, 1.0
"""The longest and the shortest time between two writings: when an ISP fails, all its tunnels turn within a moment."""


def wall_ahead() -> float:
    """By how many seconds the wall clock is ahead of the monotonic one."""
    return time.time() - time.monotonic()


class HealthFile:
    """A HealthFile reads what was so before this process, and writes what is: when it turns, and now and then."""

    def __init__(
        self, path: Path, watch: HealthWatch, say: Callable[[str], None], ahead: Callable[[], float] = wall_ahead
    ) -> None:
        self._path, self._watch, self._say, self._ahead = path, watch, say, ahead
        self._turned = asyncio.Event()
        self._writing = threading.Lock()
        watch.turned = self._turned.set

    def read(self) -> None:
        """Take up what the file has. One that cannot be read is said, and learnt anew."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            ahead = self._ahead()
            self._watch.recall({TunnelId.parse(name): _read(one, ahead) for name, one in stored.items()})
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            self._say(
                f"{self._path}: {error}: what is usual on each tunnel is learnt anew, and none is held back "
                "for what was before"
            )

    async def run(self) -> None:
        """Write when a tunnel turns bad or good or is damped, every so often, and when the process ends."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._turned.wait(), WRITE_SECONDS)
                self._turned.clear()
                await asyncio.to_thread(self._write, dict(self._watch.kept))
                await asyncio.sleep(SHORTEST_SECONDS)
        finally:
            self.write()

    def write(self) -> None:
        """What is remembered now."""
        self._write(self._watch.kept)

    async def save(self) -> bool:
        """The same, without holding up the loop; whether it is on the disk."""
        return await asyncio.to_thread(self._write, dict(self._watch.kept))

    def _write(self, kept: Mapping[TunnelId, Kept]) -> bool:
        """By one rename, so that there is always a whole file; whether that could be done."""
        ahead = self._ahead()
        known = {str(tunnel): _written(one, ahead) for tunnel, one in sorted(kept.items())}
        text = json.dumps({name: one for name, one in known.items() if one["usual"]["seconds"] or len(one) > 1})
        fresh = self._path.with_suffix(".new")
        try:
            with self._writing:  # a thread may still be at it when the process ends
                fresh.write_text(text + "\n", encoding="utf-8")
                fresh.replace(self._path)
        except OSError as error:
            self._say(f"{self._path}: {error.strerror}: what is usual is not kept over a restart")
            return False
        return True


def _written(kept: Kept, ahead: float) -> dict[str, Any]:
    """What is so without anything having happened is left out."""
    found: dict[str, Any] = {"usual": kept.usual.to_json()}
    if kept.degraded is not None:
        found |= {"degraded": kept.degraded.because, "degraded_at": kept.degraded.since + ahead}
    if kept.penalty.value > 0:
        found["penalty"] = {
            "value": kept.penalty.value,
            "at": kept.penalty.at + ahead,
            "suppressed_until": _wall(kept.penalty.suppressed_until, ahead),
        }
    if kept.recovered != NEVER:
        found["recovered_at"] = kept.recovered + ahead
    words = ("dead", kept.is_dead), ("failed", kept.failed), ("connected", kept.connected)
    return found | {key: True for key, so in words if so}


def _read(one: Mapping[str, Any], ahead: float) -> Kept:
    """Raises KeyError, TypeError, ValueError: it is not what `_written` makes."""
    return Kept(
        usual=usual_from_json(one["usual"]),
        degraded=Degraded(_past(one.get("degraded_at"), ahead), str(one["degraded"])) if "degraded" in one else None,
        penalty=_penalty(one["penalty"], ahead) if "penalty" in one else NO_PENALTY,
        recovered=_past(one.get("recovered_at"), ahead),
        is_dead=one.get("dead") is True,
        failed=one.get("failed") is True,
        connected=one.get("connected") is True,
    )


def _penalty(stored: Mapping[str, Any], ahead: float) -> Penalty:
    value, until = _number(stored["value"]), stored["suppressed_until"]
    if value < 0:
        raise ValueError(f"the penalty {value:g} is below zero")
    suppressed_until = NEVER if until is None else Instant(_number(until) - ahead)
    return Penalty(value, Instant(_number(stored["at"]) - ahead), suppressed_until)


def _past(wall: Any, ahead: float) -> Instant:
    """An instant of before: not of the future, though the wall clock was set back meanwhile."""
    return NEVER if wall is None else Instant(min(_number(wall) - ahead, time.monotonic()))


def _wall(instant: Instant, ahead: float) -> float | None:
    return None if instant == NEVER else instant + ahead


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{value!r:.60} is no number")
    return float(value)
