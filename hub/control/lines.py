"""JSON lines over Unix sockets: the language between Pointsman's processes, without the sockets.

One JSON object a line, UTF-8. The first line of each side is a greeting with the version and the role.
"""

from __future__ import annotations

import json
from typing import Any

PROTOCOL_VERSION = 1
LONGEST_LINE = 8 << 20
"""Bytes. A longer line is an error of the other side, not a reason to run out of memory."""

Message = dict[str, Any]


class BadLineError(ValueError):
    """A line is not one JSON object, or is too long."""


def encode(message: Message) -> bytes:
    """One line, newline included."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def greeting(role: str, **more: object) -> Message:
    """The first line that a process of this role sends."""
    return {"pointsman": PROTOCOL_VERSION, "role": role, **more}


def check_greeting(message: Message) -> str:
    """The role that the other side says it has.

    Raises:
        BadLineError: it is no greeting, or of a version that we don't speak.
    """
    version, role = message.get("pointsman"), message.get("role")
    if not isinstance(version, int) or not isinstance(role, str):
        raise BadLineError("the first line is no greeting of Pointsman")
    if version != PROTOCOL_VERSION:
        raise BadLineError(f"the other side speaks version {version}, this one {PROTOCOL_VERSION}: upgrade the older")
    return role


class LineReader:
    """A LineReader turns received bytes into messages; a half line waits for its rest."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now.

        Raises:
            BadLineError: a line is not a JSON object or is longer than `LONGEST_LINE`; the lines before it are lost,
                so the connection should be closed.
        """
        return [parse_line(line) for line in self.lines(data)]

    def lines(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, unread and without empty ones.

        Raises:
            BadLineError: a line is longer than `LONGEST_LINE`.
        """
        if b"\n" not in data:
            self._pending += data
            if len(self._pending) > LONGEST_LINE:
                raise BadLineError(f"a line of more than {LONGEST_LINE} bytes")
            return []
        *lines, rest = (bytes(self._pending) + data).split(b"\n")
        self._pending = bytearray(rest)
        return [line for line in lines if line.strip()]


def parse_line(line: bytes) -> Message:
    """The object in a line.

    Raises:
        BadLineError: it is no JSON object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLineError(f"not a line of JSON: {line[:60]!r}") from error
    if not isinstance(message, dict):
        raise BadLineError(f"not a JSON object: {line[:60]!r}")
    return message
