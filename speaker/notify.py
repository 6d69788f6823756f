"""Telling systemd how a process does (sd_notify(3)): datagrams to `$NOTIFY_SOCKET`, and nothing where there is none.

A unit of `Type=notify` counts as started once it says that it is ready; one with `WatchdogSec=` is killed and started
again when it has not said for so long that it is alive. Nobody is ever waited for: a datagram that does not go through
is lost, and the next one comes.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

SIGNS_A_WATCHDOG_PERIOD = 4
"""How many signs of life are given in the time within which systemd wants one."""


class Systemd:
    """A Systemd is whoever started this process and wants to be told, or nobody."""

    def __init__(self, environment: Mapping[str, str] | None = None, pid: int | None = None) -> None:
        """`pid` is the process that is watched, where that is not this one."""
        given = os.environ if environment is None else environment
        self._address = _address(given.get("NOTIFY_SOCKET", ""))
        self.every = _every(given, os.getpid() if pid is None else pid) if self._address else None
        """Seconds between two signs of life; None where none is wanted."""

    def ready(self, status: str = "") -> None:
        """It serves from here on."""
        self._tell("READY=1", *_status(status))

    def alive(self) -> None:
        """Its loop goes round: to be said every `every` seconds, and by nothing that goes on when the loop is stuck."""
        if self.every is not None:
            self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """What it does now, in one line that `systemctl status` shows."""
        self._tell(*_status(text))

    def stopping(self, status: str = "") -> None:
        """It is about to end because it was asked to."""
        self._tell("STOPPING=1", *_status(status))

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        said = "\n".join(lines).encode(errors="replace")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(said, socket.MSG_DONTWAIT, self._address)


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _address(text: str) -> str:
    """A path, or an abstract name, which begins with a zero byte and is written with an @; anything else is nobody."""
    if text.startswith("@") and len(text) > 1:
        return f"\0{text[1:]}"
    return text if text.startswith("/") else ""


def _every(given: Mapping[str, str], pid: int) -> float | None:
    """A part of WATCHDOG_USEC, if that is meant for this process (sd_watchdog_enabled(3))."""
    if given.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    try:
        microseconds = int(given.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 / SIGNS_A_WATCHDOG_PERIOD if microseconds > 0 else None
