"""One end of a probe: a process in a host's namespace that sends to its peers and notes what arrives, of both versions.

Its stdin tells it what to do: first a line of JSON (`Job`), then `go`, then `end` (stop sending, go on receiving);
at the end of stdin it writes the rest and exits, so it never outlives who started it. For every peer it appends the
times of sending (doubles, seconds of the monotonic clock) to one file and the sequence numbers received (64 bit) to
another, several times a second.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import socket
import struct
import sys
import time
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PORT = 7007
TIMES = "d"
NUMBERS = "Q"

_DATAGRAM = struct.Struct("!4sHQ")
_MAGIC = b"pmlp"
_FLUSH_EVERY = 0.05
_RECEIVE_BUFFER = 4 << 20


@dataclass(frozen=True, slots=True)
class Peer:
    """A Peer is a far end: its address, the flow's number, and the files for what was sent to it and heard from it."""

    address: str
    flow: int
    sent_file: str
    received_file: str


@dataclass(frozen=True, slots=True)
class Job:
    """A Job is what one prober does: where it listens, with whom it talks, and how often (seconds).

    `addresses` are of different IP versions; a peer is talked to from the one of its own version.
    """

    addresses: tuple[str, ...]
    interval: float
    peers: tuple[Peer, ...]

    @classmethod
    def parse(cls, line: str) -> Job:
        """Read the job from a line of JSON."""
        value = json.loads(line)
        return cls(tuple(value["addresses"]), value["interval"], tuple(Peer(**peer) for peer in value["peers"]))


@dataclass(slots=True)
class _Flow:
    peer: Peer
    sent_file: BinaryIO
    received_file: BinaryIO
    endpoint: socket.socket
    next_number: int = 0
    sent: array[float] = field(default_factory=lambda: array(TIMES))
    received: array[int] = field(default_factory=lambda: array(NUMBERS))

    def send(self) -> None:
        """Send the next packet; one that the own kernel refuses counts as sent, and lost."""
        packet = _DATAGRAM.pack(_MAGIC, self.peer.flow, self.next_number)
        self.sent.append(time.monotonic())
        self.next_number += 1
        with contextlib.suppress(OSError):
            self.endpoint.sendto(packet, (self.peer.address, PORT))

    def flush(self) -> None:
        """Append what is new to the files."""
        self.sent_file.write(self.sent.tobytes())
        self.received_file.write(self.received.tobytes())
        del self.sent[:], self.received[:]


def _open(peer: Peer, endpoints: Mapping[socket.AddressFamily, socket.socket]) -> _Flow:
    endpoint = endpoints[_family(peer.address)]
    return _Flow(peer, _unbuffered(peer.sent_file), _unbuffered(peer.received_file), endpoint)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _unbuffered(path: str) -> BinaryIO:
    return Path(path).open("ab", buffering=0)


def _listen(address: str) -> socket.socket:
    endpoint = socket.socket(_family(address), socket.SOCK_DGRAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    endpoint.setblocking(False)  # noqa: FBT003 - the name says it
    endpoint.bind((address, PORT))
    return endpoint


def _receive(endpoint: socket.socket, flows: dict[int, _Flow]) -> None:
    for _ in range(256):
        try:
            packet = endpoint.recv(64)
        except OSError:
            return
        if len(packet) == _DATAGRAM.size:
            magic, number, sequence = _DATAGRAM.unpack(packet)
            if magic == _MAGIC and number in flows:
                flows[number].received.append(sequence)


def _probe(job: Job, endpoints: Collection[socket.socket], flows: dict[int, _Flow]) -> None:
    control = sys.stdin.fileno()
    next_tick = float("inf")
    next_flush = 0.0
    while True:
        now = time.monotonic()
        if now >= next_tick:
            for flow in flows.values():
                flow.send()
            next_tick = max(next_tick + job.interval, now)
        if now >= next_flush:
            for flow in flows.values():
                flow.flush()
            next_flush = now + _FLUSH_EVERY
        timeout = max(0.0, min(next_tick, next_flush) - time.monotonic())
        readable, _, _ = select.select([*endpoints, control], [], [], timeout)
        for endpoint in endpoints:
            if endpoint in readable:
                _receive(endpoint, flows)
        if control in readable:
            order = os.read(control, 64)
            if not order:
                return
            next_tick = time.monotonic() if order.startswith(b"go") else float("inf")


def main() -> int:
    """The process."""
    gc.disable()
    job = Job.parse(_first_line())
    endpoints = {_family(address): _listen(address) for address in job.addresses}
    flows = {peer.flow: _open(peer, endpoints) for peer in job.peers}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _probe(job, endpoints.values(), flows)
    for flow in flows.values():
        flow.flush()
    return 0


def _first_line() -> str:
    """Byte by byte, because what comes after it is for `select`."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode()


if __name__ == "__main__":
    sys.exit(main())
