"""ExaBGP's only child: it passes commands in and events out, and remembers for whoever connects next.

`python -m speaker.bgp.relay --socket PATH`, started by ExaBGP with its API on stdin and stdout. It never blocks (a
relay that stops reading stops BGP), never judges, and ends only when ExaBGP closes its stdin. The language of the
socket is in docs/reference/sockets.md. Standard library only, and little of it: it must start fast.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speaker.bgp.commands import NEIGHBORS, Commands, allowed
from speaker.bgp.connection import Connection
from speaker.bgp.memory import Memory
from speaker.bgp.neighbors import shown
from speaker.bgp.pulse import Pulse
from speaker.bgp.recovery import Recovery
from speaker.bgp.started import started
from speaker.listener import Listener, listen_at
from speaker.priority import give_way_when_busy

PROTOCOL_VERSION = 1
MOST_CONNECTIONS = 8
LOOK_EVERY = 1.0
"""Seconds between looks at the socket's file; as long nobody is accepted when there are no descriptors left."""


class Relay:
    """The Relay is the loop: ExaBGP on one side, the socket on the other, the memory in between."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._memory = Memory()
        self._commands = Commands()
        self._recovery = Recovery(self._memory, self._commands.ask, clock(), self._begin_anew)
        self._pulse = Pulse(self._commands.ask)
        self._selector = selectors.DefaultSelector()
        self._listener: Listener | None = None
        self._accepting = False
        self._connections: dict[socket.socket, Connection] = {}
        self._from_exabgp = bytearray()
        self._looked_at_path = 0.0
        self._complained = False
        self._ready = False
        self._asked_to_end = False
        self._waiting = False

    def run(self) -> None:
        """Serve until ExaBGP closes stdin."""
        for stream in (sys.stdin, sys.stdout):
            os.set_blocking(stream.fileno(), False)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        signal.signal(signal.SIGTERM, self._end)
        give_way_when_busy()
        self._recovery.start()
        with contextlib.suppress(EOFError):
            while not self._asked_to_end:
                self._guarded_pass()
        self._farewell()

    def _end(self, _number: int, _frame: object) -> None:
        """ExaBGP is stopping: say good-bye. Only while waiting is it safe to leave at once."""
        self._asked_to_end = True
        if self._waiting:
            raise EOFError

    def _guarded_pass(self) -> None:
        """One pass that survives its own faults: six deaths of a child in a minute, and ExaBGP ends all sessions."""
        try:
            self._pass()
        except EOFError:
            raise
        except Exception as error:  # noqa: BLE001
            _complain(f"a fault of the relay itself, please report it: {error!r}")
            time.sleep(0.05)

    def _pass(self) -> None:
        now = self._clock()
        self._keep_listening(now)
        self._recovery.look(now)
        self._pulse.look(now)
        self._become_ready()
        self._commands.advance(now)
        self._write_commands()
        self._flush_connections()
        self._watch()
        self._waiting = not self._asked_to_end
        if not self._waiting:
            return
        ready = self._selector.select(timeout=0.5)
        self._waiting = False
        for key, events in ready:
            self._dispatch(key.fileobj, events)

    def _dispatch(self, source: Any, events: int) -> None:
        if source == sys.stdin.fileno():
            self._read_exabgp()
        elif self._listener is not None and source is self._listener.socket:
            self._accept()
        elif source in self._connections and events & selectors.EVENT_READ:
            self._read_connection(self._connections[source])

    # ExaBGP's side

    def _read_exabgp(self) -> None:
        try:
            data = os.read(sys.stdin.fileno(), 1 << 18)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        now = self._clock()
        self._pulse.heard()
        self._from_exabgp += data
        *lines, rest = bytes(self._from_exabgp).split(b"\n")
        self._from_exabgp = bytearray(rest)
        for line in lines:
            self._heard(line.strip(), now)

    def _heard(self, line: bytes, now: float) -> None:
        event = _json(line)
        if isinstance(event, dict) and "exabgp" in event:
            self._memory.observe(event, now)
            hidden = self._recovery.saw(event)
            if self._ready and not hidden:
                self._tell(b'{"event":' + line + b',"at":' + repr(now).encode() + b"}\n")
        elif line:
            self._commands.heard(line.decode("ascii", "replace"))

    def _write_commands(self) -> None:
        output = self._commands.output
        while output:
            try:
                del output[: os.write(sys.stdout.fileno(), output[: 1 << 16])]
            except BlockingIOError:
                return
            except BrokenPipeError:
                raise EOFError from None

    # the socket's side

    def _keep_listening(self, now: float) -> None:
        """Once a second, see that the socket is still where controllers look for it."""
        if now - self._looked_at_path < LOOK_EVERY:
            return
        self._looked_at_path = now
        if self._listener is None or not self._listener.is_in_place:
            try:
                self._listen()
            except OSError as error:
                self._complain_once(
                    f"cannot listen at {self._path}: {error.strerror}; is its directory there, and writable?"
                )
        self._accept_connections()

    def _complain_once(self, text: str) -> None:
        if not self._complained:
            self._complained = True
            _complain(text)

    def _listen(self) -> None:
        fresh = listen_at(self._path)
        self._accept_no_connections()
        if self._listener is not None:
            self._listener.socket.close()
        self._listener = fresh

    def _accept_connections(self) -> None:
        if self._listener is not None and not self._accepting:
            self._accepting = True
            self._selector.register(self._listener.socket, selectors.EVENT_READ)

    def _accept_no_connections(self) -> None:
        if self._listener is not None and self._accepting:
            self._accepting = False
            self._selector.unregister(self._listener.socket)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            # Whoever waits stays in the queue, so that the socket stays readable: without a pause that would be a loop.
            self._accept_no_connections()
            self._complain_once(f"cannot accept a controller: {error.strerror}; raise the limit of open files")
            return
        self._complained = False
        connection = Connection(sock)
        self._connections[sock] = connection
        self._selector.register(sock, selectors.EVENT_READ)
        if len(self._connections) > MOST_CONNECTIONS:
            # The oldest that never said who it is makes room: forgotten connections must not keep the controller out.
            stranger = next(each for each in self._connections.values() if not each.controller)
            self._refuse(stranger, "too many connections to this relay: close some")
        connection.say(
            {
                "pointsman": PROTOCOL_VERSION,
                "role": "relay",
                "exabgp_pid": os.getppid(),
                "exabgp_started": started(os.getppid()),
            }
        )

    def _read_connection(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        try:
            lines = connection.received(data)
        except ValueError as error:
            self._refuse(connection, str(error))
            return
        for line in lines:
            if line.strip() and not connection.closing:
                self._obey(connection, _json(line))

    def _obey(self, connection: Connection, message: Any) -> None:
        if not isinstance(message, dict):
            self._refuse(connection, "not a line of JSON: send one object a line")
        elif not connection.controller:
            self._greet(connection, message)
        else:
            self._command(connection, message)

    def _greet(self, connection: Connection, message: dict[str, Any]) -> None:
        if message.get("pointsman") != PROTOCOL_VERSION:
            self._refuse(connection, f"this relay speaks version {PROTOCOL_VERSION}: upgrade the older side")
        elif message.get("role") != "controller":
            self._refuse(connection, "only a controller may talk to the relay")
        elif any(other.controller for other in self._connections.values()):
            self._refuse(connection, "another controller is connected: stop it first")
        else:
            connection.controller = True
            if self._ready:
                self._tell_memory(connection)

    def _command(self, connection: Connection, message: dict[str, Any]) -> None:
        given, line = message.get("id"), message.get("command")
        number = given if isinstance(given, int) else None
        if not isinstance(line, str) or not allowed(line):
            connection.say(
                {"answer": number, "result": "error", "why": "not one line of ASCII that ExaBGP may be told"}
            )
            return

        def answer(result: str, lines: list[str]) -> None:
            if line == NEIGHBORS and result == "done":
                self._forget_all_but(lines)
            # Its controller may have gone since; the number means nothing to the next one.
            if connection.sock in self._connections:
                connection.say({"answer": number, "result": result, **({"lines": lines} if lines else {})})

        self._commands.ask(line, answer)

    def _forget_all_but(self, lines: list[str]) -> None:
        """A neighbor that was removed while its session was down goes without an event; ExaBGP's list shows it."""
        there = shown(lines, lambda neighbor: str(neighbor["peer"]["address"]))
        if there is not None:
            for address in self._memory.neighbors.keys() - set(there):
                del self._memory.neighbors[address]

    def _become_ready(self) -> None:
        if not self._ready and self._recovery.finished:
            self._ready = True
            for connection in self._connections.values():
                if connection.controller:
                    self._tell_memory(connection)

    def _tell_memory(self, connection: Connection) -> None:
        for line in self._memory.lines():
            connection.say(line)
        connection.say({"ready": True})

    def _begin_anew(self) -> None:
        """No event tells what ExaBGP was asked for: the controller connects again, and is told the whole memory."""
        if self._ready:
            for connection in self._connections.values():
                if connection.controller:
                    connection.drop()

    def _tell(self, line: bytes) -> None:
        for connection in self._connections.values():
            if connection.controller:
                connection.say_bytes(line)

    def _refuse(self, connection: Connection, why: str) -> None:
        connection.say({"error": why})
        connection.closing = True

    def _flush_connections(self) -> None:
        for connection in list(self._connections.values()):
            try:
                connection.flush()
            except OSError:
                self._drop(connection)
                continue
            if connection.closing and not connection.output:
                self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._watch_for(connection.sock, 0)
        del self._connections[connection.sock]
        connection.sock.close()

    def _watch(self) -> None:
        """Wait for what there is to do: reading always from ExaBGP, from the controller only while there is room."""
        for sock, connection in list(self._connections.items()):
            reading = 0 if connection.controller and self._commands.full else selectors.EVENT_READ
            writing = selectors.EVENT_WRITE if connection.output else 0
            if not reading and _hung_up(sock):
                self._drop(connection)
            else:
                self._watch_for(sock, reading | writing)
        registered = self._selector.get_map()
        if self._commands.output and sys.stdout.fileno() not in registered:
            self._selector.register(sys.stdout.fileno(), selectors.EVENT_WRITE)
        elif not self._commands.output and sys.stdout.fileno() in registered:
            self._selector.unregister(sys.stdout.fileno())

    def _watch_for(self, sock: socket.socket, events: int) -> None:
        watched = sock in self._selector.get_map()
        if events and watched:
            self._selector.modify(sock, events)
        elif events:
            self._selector.register(sock, events)
        elif watched:
            # Not for writing, in its place: a socket that may always be written to would never let us sleep.
            self._selector.unregister(sock)

    def _farewell(self) -> None:
        """Tell the controller that it was ExaBGP that went, and leave no socket behind."""
        self._tell(b'{"gone":"exabgp"}\n')
        self._flush_connections()
        if self._listener is not None and self._listener.is_in_place:
            with contextlib.suppress(OSError):
                self._path.unlink()


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _hung_up(sock: socket.socket) -> bool:
    """Whether the other side is gone, found out without reading what it said before."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"pointsman relay: {text}\n")
        sys.stderr.flush()


def main() -> None:
    """Run the relay as ExaBGP's child."""
    parser = argparse.ArgumentParser(prog="relay", description="Started by ExaBGP; not meant to be started by hand.")
    parser.add_argument("--socket", type=Path, required=True, help="where the controller connects")
    Relay(parser.parse_args().socket).run()


if __name__ == "__main__":
    main()
