"""A Unix socket that stays where others look for it: its file may be removed or replaced, and that can be seen."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

MODE = 0o660
BACKLOG = 16


@dataclass(frozen=True, slots=True)
class Listener:
    """A Listener is a listening socket (non-blocking), and which file it has."""

    socket: socket.socket
    path: Path
    file: tuple[int, int]
    """The device and inode of its file."""

    @property
    def is_in_place(self) -> bool:
        """Whether whoever connects to the path comes here."""
        return _file(self.path) == self.file


def listen_at(path: Path) -> Listener:
    """Listen at a name of our own and move it over the path, so that there is never a moment without.

    Raises:
        OSError: the directory is not there, not ours, or full.
    """
    fresh = path.with_name(f".{os.getpid()}")  # short: unix(7) allows a path of 107 bytes
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(fresh))
        fresh.chmod(MODE)
        listener.listen(BACKLOG)
        file = _file(fresh)
        if file is None:
            raise FileNotFoundError(f"{fresh} was removed at once")
        fresh.replace(path)
    except OSError:
        listener.close()
        raise
    return Listener(listener, path, file)


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
