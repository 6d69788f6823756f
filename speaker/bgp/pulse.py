"""Signs of life of ExaBGP, for systemd: given only while ExaBGP says something. Standard library only.

An ExaBGP that hangs keeps its sessions' TCP connections, and nobody is told anything. Where it has been quiet it is
asked for its version, which costs it nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from speaker.notify import Systemd


class Pulse:
    """A Pulse asks, listens and tells; all of it only where systemd watches ExaBGP, whose child we are."""

    def __init__(self, ask: Callable[[str, Callable[[str, list[str]], None]], None], systemd: Systemd | None = None):
        self._systemd = Systemd(pid=os.getppid()) if systemd is None else systemd
        self._ask = ask
        self._heard = True
        self._waiting = False
        self._next = 0.0

    def heard(self) -> None:
        """ExaBGP said something."""
        self._heard = True

    def look(self, now: float) -> None:
        """To be called often."""
        if self._systemd.every is None or now < self._next:
            return
        self._next = now + self._systemd.every
        if self._heard:
            self._systemd.alive()
        elif not self._waiting:
            self._waiting = True
            self._ask("version", self._answered)
        self._heard = False

    def _answered(self, _result: str, _lines: list[str]) -> None:
        self._waiting = False
