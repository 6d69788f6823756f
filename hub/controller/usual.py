"""What is usual on each tunnel, kept in a file of the state directory: it takes days to learn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from hub.controller.health import HealthWatch
from policies.health.usual import Usual, usual_from_json
from policies.model.ids import TunnelId

WRITE_SECONDS = 600.0


class UsualFile:
    """A UsualFile reads what was usual before this process, and writes what is, now and then and in the end."""

    def __init__(self, path: Path, watch: HealthWatch, say: Callable[[str], None]) -> None:
        self._path, self._watch, self._say = path, watch, say

    def read(self) -> None:
        """Take up what the file has. One that cannot be read is said, and learnt anew."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            self._watch.recall({TunnelId.parse(name): usual_from_json(one) for name, one in stored.items()})
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError) as error:
            self._say(f"{self._path}: {error}: what is usual on each tunnel is learnt anew")

    async def run(self) -> None:
        """Write every so often, and when the process ends."""
        try:
            while True:
                await asyncio.sleep(WRITE_SECONDS)
                await asyncio.to_thread(self._write, self._text())
        finally:
            self._write(self._text())

    def _text(self) -> str:
        known: dict[TunnelId, Usual] = dict(self._watch.usual)
        return json.dumps({str(tunnel): usual.to_json() for tunnel, usual in sorted(known.items()) if usual.seconds})

    def _write(self, text: str) -> None:
        """By one rename, so that there is always a whole file."""
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(text + "\n", encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:
            self._say(f"{self._path}: {error.strerror}: what is usual is not kept over a restart")
