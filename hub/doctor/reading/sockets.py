"""Who listens on the ports that matter, and who answers on the hub's own sockets."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from hub.control.lines import encode, greeting
from hub.control.places import Places
from hub.doctor.facts import Address, Listener, Process, Unseen
from hub.doctor.reading.processes import all_pids, process
from hub.forwarder.liveness.bfd import PORT as BFD_PORT

__all__ = ["BFD_PORT", "answering", "listeners"]

_LISTEN = "0A"
"""TCP_LISTEN, as proc(5) writes it."""
_PATIENCE_SECONDS = 0.5
_READ = 4096


@dataclass(frozen=True, slots=True)
class _Row:
    """A _Row is one line of /proc/net/tcp and its like."""

    address: Address
    port: int
    state: str
    inode: int


def listeners(ports: Collection[int]) -> tuple[Listener, ...]:
    """Those that listen on one of these ports in this network namespace, with their processes where to be seen."""
    found = [
        (protocol, row)
        for protocol in ("tcp", "udp")
        for version in ("", "6")
        for row in rows(_table(protocol + version))
        if row.port in ports and (protocol == "udp" or row.state == _LISTEN)
    ]
    owners = _owners({row.inode for _, row in found})
    return tuple(Listener(protocol, row.address, row.port, owners.get(row.inode)) for protocol, row in found)


def _table(name: str) -> str:
    try:
        return Path(f"/proc/self/net/{name}").read_text()
    except OSError:
        return ""


def rows(table: str) -> Iterator[_Row]:
    """The sockets of a table of /proc/net (proc(5)); a line that is malformed is left out."""
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 10:
            continue
        address, _, port = columns[1].partition(":")
        with suppress(ValueError, struct.error):
            words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
            # Each word is a native integer holding network order.
            packed = struct.pack(f"={len(words)}I", *words)
            yield _Row(ip_address(packed), int(port, 16), columns[3], int(columns[9]))


def _owners(inodes: set[int]) -> dict[int, Process]:
    """The processes that have these sockets open, as far as this user may see them."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    found: dict[int, Process] = {}
    for pid in all_pids() if wanted else ():
        with suppress(OSError):
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                inode = wanted.get(_target(descriptor.path))
                if inode is not None and inode not in found and (owner := process(pid)) is not None:
                    found[inode] = owner
        if len(found) == len(wanted):
            break
    return found


def _target(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  thousands of them: a Path each would take seconds
    except OSError:
        return ""


def answering(places: Places) -> dict[str, str | Unseen | None]:
    """The hub's sockets that are there, and what is wrong with each; None when it is answered at."""
    asked = {
        places.forwarder_socket: encode(greeting("reader")),
        places.control_socket: encode({"ask": "status"}),
        # A relay greets whoever connects, and serves nobody but the controller.
        **{places.relay_socket(number): b"" for number in _configured(places)},
    }
    return {path.name: _answer(path, line) for path, line in asked.items() if os.path.lexists(path)}


def _configured(places: Places) -> frozenset[int]:
    try:
        return places.configured_processes()
    except OSError:
        return frozenset()


def _answer(path: Path, line: bytes) -> str | Unseen | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            connection.connect(str(path))
            if line:
                connection.sendall(line)
            return None if connection.recv(_READ) else "closed the connection without an answer"
        except PermissionError:
            return Unseen("needs root, or the group pointsman")
        except TimeoutError:
            return "does not answer"
        except OSError as error:
            return f"does not answer ({error.strerror})"
