"""One client of the relay's socket: lines in, lines out, bounded both ways. Standard library only."""

from __future__ import annotations

import json
import socket
from typing import Any

LONGEST_LINE = 64 << 10
"""Bytes of one line from a controller."""

MOST_UNREAD = 16 << 20
"""Bytes of events that wait for the controller before they are dropped."""


class Connection:
    """A Connection is one client of the socket; the controller is the one that has greeted as such."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self.sock = sock
        self.controller = False
        self.closing = False
        self.lost = False
        self.output = bytearray()
        self._input = bytearray()

    def say(self, message: dict[str, Any]) -> None:
        """Queue a message."""
        self.say_bytes(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def say_bytes(self, line: bytes) -> None:
        """Queue a line; when too much waits, drop it all and say so, once."""
        if self.lost:
            return
        if len(self.output) + len(line) > MOST_UNREAD:
            self.drop()
        else:
            self.output += line

    def drop(self) -> None:
        """Say nothing more but that something was left out: whoever connects again is told all of it."""
        # The first line may be half written: it must stay whole, or the other side cannot read the rest.
        del self.output[self.output.find(b"\n") + 1 :]
        self.output += b'{"dropped":true}\n'
        self.lost = True

    def received(self, data: bytes) -> list[bytes]:
        """The lines that are complete now; a half line waits for its rest.

        Raises:
            ValueError: a line is too long.
        """
        self._input += data
        *lines, rest = bytes(self._input).split(b"\n")
        if any(len(line) > LONGEST_LINE for line in (*lines, rest)):
            raise ValueError(f"a line of more than {LONGEST_LINE} bytes")
        self._input = bytearray(rest)
        return lines

    def flush(self) -> None:
        """Write what the socket takes.

        Raises:
            OSError: the other side is gone.
        """
        while self.output:
            try:
                del self.output[: self.sock.send(self.output[: 1 << 18])]
            except BlockingIOError:
                return
