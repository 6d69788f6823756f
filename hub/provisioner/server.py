"""provisioner.sock: one request after the other, and between them a look at what is to be so continuously.

It waits for nobody for long: who connects and says nothing, or does not read its answer, is dropped.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from hub.control.lines import BadLineError, LineReader, Message, encode
from hub.control.peer import uid_of
from hub.provisioner.asks import Asks
from speaker.listener import Listener, listen_at

VERIFY_SECONDS = 20.0
"""How often to look again: a wrong uplink is to be found within a minute."""
LOOK_SECONDS = 1.0
"""How often to see that the socket's file is still there, and to say that we live."""
PATIENCE_SECONDS = 5.0
"""How long a peer may take for its question, and for taking the answer."""


class Server:
    """A Server serves until it is told to stop."""

    def __init__(self, path: Path, asks: Asks, say: Callable[[str], None], alive: Callable[[], None]) -> None:
        """`alive` is called at least every few seconds, but while a request is worked on."""
        self._path = path
        self._asks = asks
        self._say = say
        self._alive = alive
        self._listener: Listener | None = None
        self._complained = False

    def run(self, stopping: Callable[[], bool], wakeup: int) -> None:
        """Serve; `wakeup` is a descriptor that becomes readable when `stopping` may have changed."""
        due = 0.0
        while not stopping():
            listener = self._listening()
            watched: list[int | socket.socket] = [wakeup] if listener is None else [wakeup, listener.socket]
            ready, _, _ = select.select(watched, (), (), LOOK_SECONDS)
            if listener is not None and listener.socket in ready:
                self._serve(listener.socket)
            self._asks.look_again(time.monotonic())
            if time.monotonic() >= due:
                self._asks.verify()
                due = time.monotonic() + VERIFY_SECONDS
            self._alive()

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            if self._listener.is_in_place:
                self._path.unlink(missing_ok=True)
            self._listener.socket.close()

    def _listening(self) -> Listener | None:
        if self._listener is not None and self._listener.is_in_place:
            return self._listener
        if self._listener is not None:
            self._listener.socket.close()
        try:
            self._listener = listen_at(self._path)
        except OSError as error:
            self._listener = None
            if not self._complained:
                self._complained = True
                self._say(f"cannot listen at {self._path}: {error.strerror}; is its directory there, and writable?")
            return None
        self._complained = False
        return self._listener

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                try:
                    question = _question(connection)
                except BadLineError as error:
                    connection.sendall(encode({"error": str(error)}))
                    return
                if question is not None:
                    connection.sendall(encode(self._asks.answer(question, uid_of(connection))))


def _question(connection: socket.socket) -> Message | None:
    """The one question of a peer, None if it has gone."""
    lines, deadline = LineReader(), time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        data = connection.recv(1 << 16)
        if not data:
            return None
        if messages := lines.feed(data):
            return messages[0]
    return None
