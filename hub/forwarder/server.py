"""forwarder.sock: who is connected, and what is said to and by them. Never waits for anybody.

One controller, any number of readers. A connection that does not read is dropped when its buffer is full: it can come
back and gets a fresh snapshot.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from hub.control.lines import (
    PROTOCOL_VERSION,
    BadLineError,
    LineReader,
    Message,
    check_greeting,
    encode,
    greeting,
)
from hub.control.lock import hold
from hub.control.log import say_at_once
from hub.control.long_lines import reading
from hub.forwarder.fields import FieldError
from hub.forwarder.lines import LineWriter
from hub.forwarder.loop import Loop, Timer
from hub.forwarder.orders import Command, GetStatus, orders_in, parsing
from hub.forwarder.steps import REST_NS, Steps, slice_of
from speaker.listener import Listener, listen_at

LARGEST_BACKLOG = 8 << 20
"""Bytes that may wait for one connection."""
ENOUGH_BACKLOG = 1 << 18
"""Bytes: a controller with so much to read is told of no samples."""
MOST_CONNECTIONS = 64
MOST_WAITING = 10_000
"""Lines of a connection that wait while a long one is read."""
MOST_QUESTIONS = 10
"""Lines that a reader may say in a second: each costs time in which no tunnel is watched."""
LOOK_EVERY_NS = 1_000_000_000
"""Nanoseconds between looks whether the socket's file is still there."""
_RECEIVE = 1 << 16
_CREDENTIALS = struct.Struct("=iII")

Role = Literal["controller", "reader"]


class Connection:
    """A Connection is one peer: what it said so far, and what it has not read yet."""

    def __init__(self, server: Server, peer: socket.socket) -> None:
        self.server = server
        self.peer = peer
        self.role: Role | None = None
        self._lines = LineReader()
        self._backlog = bytearray()
        self._open = True
        self._waiting: deque[bytes] = deque()
        self._present: Steps[None] | None = None
        self._second = 0
        self._said = 0

    @property
    def process(self) -> int:
        """The process id of the peer, for messages to people."""
        credentials = self.peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(credentials)[0]
        return pid

    @property
    def backlog(self) -> int:
        """Bytes that the peer has not taken yet."""
        return len(self._backlog)

    def send(self, data: bytes) -> None:
        """Send, or keep what the peer does not take yet; a peer that takes far too little is dropped."""
        if not self._open:
            return
        if not self._backlog:
            data = data[self._send_some(data) :]
        if not data or not self._open:
            return
        self._backlog += data
        if len(self._backlog) > LARGEST_BACKLOG:
            self.server.counters["connections dropped: too slow"] += 1
            self.close()
        else:
            self.server.loop.watch(self.peer.fileno(), self.readable, self._writable)

    def _send_some(self, data: bytes | bytearray) -> int:
        try:
            return self.peer.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0
        except OSError:
            self.close()
            return 0

    def _writable(self) -> None:
        del self._backlog[: self._send_some(self._backlog)]
        if not self._backlog and self._open:
            self.server.loop.watch(self.peer.fileno(), self.readable)

    def readable(self) -> None:
        """Read what is there and obey it."""
        try:
            data = self.peer.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            self._waiting += self._lines.lines(data)
        except BadLineError as error:
            self._no_line(error)
        else:
            self._obey_waiting()

    def _obey_waiting(self) -> None:
        """Obey line after line, in order; a very long one is read in slices, between which tunnels are watched."""
        if self._present is not None and len(self._waiting) > MOST_WAITING:
            self.refuse(f"more than {MOST_WAITING} lines wait behind a long one: send them more slowly")
        while self._open and self._present is None and self._waiting:
            self._present = self._obey(self._waiting.popleft())
            self._go_on()

    def _go_on(self) -> None:
        if self._present is None or not self._open:
            return
        if slice_of(self._present, self.server.loop.now):
            self.server.loop.call_at(self.server.loop.now() + REST_NS, self._next_slice)
        else:
            self._present = None

    def _next_slice(self) -> None:
        self._go_on()
        self._obey_waiting()

    def _obey(self, line: bytes) -> Steps[None]:
        try:
            message = yield from reading(line)
        except BadLineError as error:
            self._no_line(error)
        else:
            yield from self.server.heard(self, message)

    def _no_line(self, error: BadLineError) -> None:
        self.server.counters["lines refused"] += 1
        self.refuse(str(error))

    def says_too_much(self, now: int) -> bool:
        """Count a line that was said at this time (nanoseconds), and whether it is one too many in its second."""
        if self._second != now // 1_000_000_000:
            self._second, self._said = now // 1_000_000_000, 0
        self._said += 1
        return self._said > MOST_QUESTIONS

    def complain(self, text: str) -> None:
        """Say what is wrong, and go on."""
        self.send(encode({"error": text}))

    def refuse(self, text: str) -> None:
        """Say what is wrong, and close."""
        self.complain(text)
        self.close()

    def close(self) -> None:
        """Forget the peer."""
        if self._open:
            self._open = False
            self.server.closed(self)
            self.server.loop.forget(self.peer.fileno())
            self.peer.close()


class Server:
    """A Server listens on the socket. `obey` is given the controller's commands, `snapshot` makes the first message.

    `controller_gone` is called when its connection has ended.

    Raises:
        AlreadyRunningError: another forwarder has the lock.
        OSError: the directory is not there or not ours.
    """

    def __init__(
        self,
        loop: Loop,
        path: Path,
        snapshot: Callable[[], Message],
        obey: Callable[[Command], None],
        log: Callable[[str], None] = say_at_once,
        controller_gone: Callable[[], None] = lambda: None,
    ) -> None:
        self.loop = loop
        self.counters: dict[str, int] = {
            "lines refused": 0,
            "connections dropped: too slow": 0,
            "connections not taken": 0,
            "samples not told: too slow": 0,
        }
        self.lines = LineWriter()
        self._snapshot = snapshot
        self._obey = obey
        self._log = log
        self._controller_gone = controller_gone
        self._path = path
        self._connections: list[Connection] = []
        self._lock = hold(path.with_suffix(".lock"), "a forwarder")
        self._listener: Listener | None = None
        self._look: Timer | None = None
        self._complained = False
        self._complained_of_accept = False

    def listen(self) -> None:
        """Take connections from now on; a socket file that is not ours is replaced, one that is removed comes back."""
        if self._listener is None or not self._listener.is_in_place:
            try:
                fresh = listen_at(self._path)
            except OSError as error:
                self._complain_once(error)
            else:
                self._stop_listening()
                self._listener = fresh
                self._complained = False
        if self._listener is not None:
            self.loop.watch(self._listener.socket.fileno(), self._accept)
        self._look = self.loop.call_at(self.loop.now() + LOOK_EVERY_NS, self.listen)

    def _complain_once(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            self._log(f"cannot listen at {self._path}: {error.strerror}; is its directory there, and writable?")

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self.loop.forget(self._listener.socket.fileno())
            self._listener.socket.close()

    def tell(self, messages: Iterable[Message]) -> None:
        """Say something to everybody."""
        if not self._connections:
            return
        data = b"".join(map(self.lines.line, messages))
        for connection in list(self._connections):
            if connection.role is not None:
                connection.send(data)

    def tell_controller(self, message: Message) -> None:
        """Say something to the controller only, and nothing while it has much to read yet."""
        for connection in self._connections:
            if connection.role == "controller":
                if connection.backlog > ENOUGH_BACKLOG:
                    self.counters["samples not told: too slow"] += 1
                else:
                    connection.send(encode(message))
                return

    def heard(self, connection: Connection, message: Message) -> Steps[None]:
        """One line of a peer, in steps; what it orders is done in the last one."""
        if connection.role is None:
            self._greeted(connection, message)
            return
        if connection.role == "reader" and connection.says_too_much(self.loop.now()):
            self.counters["lines refused"] += 1
            connection.refuse(f"more than {MOST_QUESTIONS} lines in a second: ask less often; changes are told unasked")
            return
        try:
            command = yield from parsing(message)
        except FieldError as error:
            self.counters["lines refused"] += 1
            connection.complain(str(error))
            return
        if isinstance(command, GetStatus):
            connection.send(self.lines.line({"status": self._snapshot()}))
        elif connection.role == "controller":
            for order in orders_in(command):
                yield from self.lines.prepare(order.name, order.prefixes)
            try:
                self._obey(command)
            except FieldError as error:
                self.counters["lines refused"] += 1
                connection.complain(str(error))
        else:
            connection.complain('a reader may only ask for {"get": "status"}: connect as "controller" to give orders')

    def _greeted(self, connection: Connection, message: Message) -> None:
        version = message.get("pointsman")
        if type(version) is int and version > PROTOCOL_VERSION:
            connection.refuse(
                f"this forwarder speaks version {PROTOCOL_VERSION} and the other side version {version}: upgrade the "
                "forwarder too, and restart it (its planned restart is not noticed by any branch)"
            )
            return
        try:
            role = check_greeting(message)
        except BadLineError as error:
            connection.refuse(str(error))
            return
        if role == "controller":
            present = next((each for each in self._connections if each.role == "controller"), None)
            if present:
                connection.refuse(f"a controller is connected already (process {present.process}): stop it first")
                return
            connection.role = "controller"
        elif role == "reader":
            connection.role = "reader"
        else:
            connection.refuse(f'the role "{role[:40]}" has no business here: "controller" or "reader" is needed')
            return
        connection.send(self.lines.line({"snapshot": self._snapshot()}))

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            peer, _address = self._listener.socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            self._cannot_accept(error)
            return
        self._complained_of_accept = False
        peer.settimeout(0)
        connection = Connection(self, peer)
        self._connections.append(connection)
        if len(self._connections) > MOST_CONNECTIONS:
            connection.refuse(f"{MOST_CONNECTIONS} connections are open already: close some")
            return
        self.loop.watch(peer.fileno(), connection.readable)
        connection.send(encode(greeting("forwarder")))

    def _cannot_accept(self, error: OSError) -> None:
        """Out of descriptors or memory: who knocks waits until `listen` looks again, or we would never sleep."""
        self.counters["connections not taken"] += 1
        if self._listener is not None:
            self.loop.forget(self._listener.socket.fileno())
        if not self._complained_of_accept:
            self._complained_of_accept = True
            self._log(f"cannot take a connection: {error.strerror}; raise LimitNOFILE= of the forwarder")

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.remove(connection)
        if connection.role == "controller":
            self._controller_gone()

    def close(self) -> None:
        """Close every connection and take the socket file away."""
        for connection in list(self._connections):
            connection.close()
        if self._look is not None:
            self._look.cancel()
        if self._listener and self._listener.is_in_place:
            self._path.unlink(missing_ok=True)
        self._stop_listening()
        os.close(self._lock)
