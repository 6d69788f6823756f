"""Telling systemd that the controller serves, and that its loop goes round."""

from __future__ import annotations

import asyncio
from pathlib import Path

from speaker.notify import Systemd

LOOK_SECONDS = 0.05
IDLE_SECONDS = 60.0


class Notifying:
    """A Notifying speaks for the whole event loop: while a part of the controller holds that up, it is silent too."""

    def __init__(self, control_socket: Path, systemd: Systemd | None = None) -> None:
        self._socket = control_socket
        self._systemd = Systemd() if systemd is None else systemd

    async def run(self) -> None:
        """Say that it is ready once whoever asks is answered; then give signs of life for ever."""
        while not await self._answers():  # noqa: ASYNC110  another part opens it
            await asyncio.sleep(LOOK_SECONDS)
        self._systemd.ready('decides; "pointsman status" shows what')
        while True:
            self._systemd.alive()
            await asyncio.sleep(IDLE_SECONDS if self._systemd.every is None else self._systemd.every)

    def stopping(self) -> None:
        """It was asked to end."""
        self._systemd.stopping()

    async def _answers(self) -> bool:
        """Whether somebody accepts connections at the socket: it may be one that a dead controller left."""
        try:
            _, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return False
        writer.close()
        return True
