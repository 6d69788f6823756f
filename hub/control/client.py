"""Asking a process on its local socket, from the command line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.control.lines import BadLineError, LineReader, Message, encode, greeting

TIMEOUT_SECONDS = 3.0


class NotRunningError(Exception):
    """Nobody answers at this socket. The text says what to do."""


class BusyError(NotRunningError):
    """Somebody listens at this socket, but does not answer in time."""


class RefusedError(Exception):
    """The process answered that it can't or won't."""


def ask_controller(path: Path, question: Message, timeout: float = TIMEOUT_SECONDS) -> Message:
    """One question, one answer within so many seconds.

    Raises:
        BusyError: the controller is there, and does not answer in time.
        NotRunningError: no controller is there.
        RefusedError: it answered with an error.
    """
    with _connect(path) as connection:
        connection.settimeout(timeout)
        _say(connection, path, encode(question))
        answer = next(_messages(connection, path))
    if "error" in answer:
        raise RefusedError(str(answer["error"]))
    result: Message = answer["answer"]
    return result


def ask_forwarder(path: Path) -> dict[str, Any]:
    """The forwarder's snapshot, as a reader: for when there is no controller.

    Raises:
        BusyError: the forwarder is there, and does not answer in time.
        NotRunningError: no forwarder is there.
        RefusedError: it answered with an error.
    """
    with _connect(path) as connection:
        _say(connection, path, encode(greeting("reader")))
        for message in _messages(connection, path):
            if "error" in message:
                raise RefusedError(str(message["error"]))
            if "snapshot" in message:
                snapshot: dict[str, Any] = message["snapshot"]
                return snapshot
    raise NotRunningError(f"{path} said nothing of its state")


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT_SECONDS)
    try:
        connection.connect(str(path))
    except PermissionError as error:
        connection.close()
        raise NotRunningError(f"you may not open {path}: be root, or of the group pointsman") from error
    except (TimeoutError, BlockingIOError) as error:  # so many wait already that no more may
        connection.close()
        raise BusyError(f"takes no question now ({path})") from error
    except OSError as error:
        connection.close()
        raise NotRunningError(f"nobody answers at {path} ({error.strerror or error})") from error
    return connection


def _say(connection: socket.socket, path: Path, line: bytes) -> None:
    try:
        connection.sendall(line)
    except TimeoutError as error:
        raise _busy(connection, path) from error
    except OSError as error:
        raise NotRunningError(f"{path} closed the connection ({error.strerror or error})") from error


def _messages(connection: socket.socket, path: Path) -> Iterator[Message]:
    lines = LineReader()
    while True:
        try:
            data = connection.recv(1 << 16)
            messages = lines.feed(data)
        except TimeoutError as error:
            raise _busy(connection, path) from error
        except (OSError, BadLineError) as error:
            raise NotRunningError(f"{path} does not answer ({error})") from error
        if not data:
            raise NotRunningError(f"{path} closed the connection without an answer")
        yield from messages


def _busy(connection: socket.socket, path: Path) -> BusyError:
    return BusyError(f"has not answered within {connection.gettimeout():g} s ({path})")
