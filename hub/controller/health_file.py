"""What is remembered of the tunnels' health, in a file of the state directory: what is usual takes days to learn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hub.controller.health import HealthWatch, Kept
from policies.health.usual import usual_from_json
from policies.model.ids import TunnelId

WRITE_SECONDS = 600.0


class HealthFile:
    """A HealthFile reads what was so before this process, and writes what is: when it turns, and now and then."""

    def __init__(self, path: Path, watch: HealthWatch, say: Callable[[str], None]) -> None:
        self._path, self._watch, self._say = path, watch, say
        self._turned = asyncio.Event()
        self._writing = threading.Lock()
        watch.turned = self._turned.set

    def read(self) -> None:
        """Take up what the file has. One that cannot be read is said, and learnt anew."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            self._watch.recall({TunnelId.parse(name): _read(one) for name, one in stored.items()})
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._say(f"{self._path}: {error}: what is usual on each tunnel is learnt anew")

    async def run(self) -> None:
        """Write when a tunnel turns bad or good, every so often, and when the process ends."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._turned.wait(), WRITE_SECONDS)
                self._turned.clear()
                await asyncio.to_thread(self._write, self._text())
        finally:
            self.write()

    def write(self) -> None:
        """What is remembered now."""
        self._write(self._text())

    async def save(self) -> bool:
        """The same, without holding up the loop; whether it is on the disk."""
        return await asyncio.to_thread(self._write, self._text())

    def _text(self) -> str:
        known = {str(tunnel): _written(kept) for tunnel, kept in sorted(self._watch.kept.items())}
        return json.dumps({name: one for name, one in known.items() if one["usual"]["seconds"] or "degraded" in one})

    def _write(self, text: str) -> bool:
        """By one rename, so that there is always a whole file; whether that could be done."""
        fresh = self._path.with_suffix(".new")
        try:
            with self._writing:  # a thread may still be at it when the process ends
                fresh.write_text(text + "\n", encoding="utf-8")
                fresh.replace(self._path)
        except OSError as error:
            self._say(f"{self._path}: {error.strerror}: what is usual is not kept over a restart")
            return False
        return True


def _written(kept: Kept) -> dict[str, Any]:
    bad = {"degraded": kept.degraded} if kept.degraded is not None else {}
    return {"usual": kept.usual.to_json(), **bad}


def _read(one: Mapping[str, Any]) -> Kept:
    bad = one.get("degraded")
    return Kept(usual_from_json(one["usual"]), None if bad is None else str(bad))
