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
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speaker.bgp.commands import Commands, allowed
from speaker.bgp.connection import Connection
from speaker.bgp.memory import Memory
from speaker.bgp.recovery import Recovery

PROTOCOL_VERSION = 1
MOST_CONNECTIONS = 8


class Relay:
    """The Relay is the loop: ExaBGP on one side, the socket on the other, the memory in between."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._memory = Memory()
        self._commands = Commands()
        self._recovery = Recovery(self._memory, self._commands.ask, clock())
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._file: tuple[int, int] | None = None
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
        elif source is self._listener:
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
        if now - self._looked_at_path < 1.0:
            return
        self._looked_at_path = now
        if self._file is None or _file(self._path) != self._file:
            try:
                self._listen()
            except OSError as error:
                if not self._complained:
                    self._complained = True
                    _complain(f"cannot listen at {self._path}: {error.strerror}; is its directory there, and writable?")

    def _listen(self) -> None:
        """Listen at a name of our own and move it over the old one, so that there is never a moment without."""
        fresh = self._path.with_name(f".{os.getpid()}")  # short: unix(7) allows a path of 107 bytes
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(fresh))
            fresh.chmod(0o660)
            listener.listen(8)
            listener.settimeout(0)
            self._file = _file(fresh)
            fresh.replace(self._path)
        except OSError:
            listener.close()
            raise
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
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
                "exabgp_started": _started(os.getppid()),
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
        number, line = message.get("id"), message.get("command")
        if not isinstance(line, str) or not allowed(line):
            connection.say(
                {"answer": number, "result": "error", "why": "not one line of ASCII that ExaBGP may be told"}
            )
            return

        def answer(result: str, lines: list[str]) -> None:
            # Its controller may have gone since; the number means nothing to the next one.
            if connection.sock in self._connections:
                connection.say({"answer": number, "result": result, **({"lines": lines} if lines else {})})

        self._commands.ask(line, answer)

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
        self._selector.unregister(connection.sock)
        del self._connections[connection.sock]
        connection.sock.close()

    def _watch(self) -> None:
        """Wait for what there is to do: reading always from ExaBGP, from controllers only while there is room."""
        for sock, connection in self._connections.items():
            reading = 0 if self._commands.full else selectors.EVENT_READ
            writing = selectors.EVENT_WRITE if connection.output else 0
            self._selector.modify(sock, (reading | writing) or selectors.EVENT_WRITE)
        registered = self._selector.get_map()
        if self._commands.output and sys.stdout.fileno() not in registered:
            self._selector.register(sys.stdout.fileno(), selectors.EVENT_WRITE)
        elif not self._commands.output and sys.stdout.fileno() in registered:
            self._selector.unregister(sys.stdout.fileno())

    def _farewell(self) -> None:
        """Tell the controller that it was ExaBGP that went."""
        self._tell(b'{"gone":"exabgp"}\n')
        self._flush_connections()


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _file(path: Path) -> tuple[int, int] | None:
    """The device and inode of a file: another process may have put its socket where ours was."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _started(pid: int) -> int:
    """When a process started, in the kernel's ticks (proc(5), field 22): together with its number it is unique."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(after_name.split()[19])
    except (OSError, ValueError, IndexError):
        return 0


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
