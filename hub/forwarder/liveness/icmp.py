"""The one raw socket for ICMP echo: requests out of a chosen interface, replies to whoever asked."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hub.forwarder.liveness import arrival
from hub.forwarder.liveness.arrival import ArrivalClock
from hub.forwarder.liveness.echo import COOKIE_LENGTH, Echo, decode_reply, encode_request
from hub.forwarder.loop import Loop

_SOL_RAW = 255
_ICMP_FILTER = 1
_ONLY_REPLIES = struct.pack("I", 0xFFFFFFFE)
_RECEIVE_BUFFER = 1 << 20
_LARGEST = 256
_BATCH = 512
_CS6 = 0xC0


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is one echo reply: where it came from and in, when it arrived, and when its request was sent."""

    source: str
    interface: int
    arrived: int
    sent: int


class EchoSocket:
    """An EchoSocket sends echo requests for several askers and hands each its own answers."""

    def __init__(self, loop: Loop, counters: Counter[str]) -> None:
        self._loop = loop
        self._counters = counters
        self._clock = ArrivalClock()
        self._socket: socket.socket | None = None
        self._cookie = os.urandom(COOKIE_LENGTH)
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._sequence = 0
        self._askers: dict[int, Callable[[Answer], None]] = {}
        self._next_asker = 1

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self._socket is not None

    def open(self) -> None:
        """Open the raw socket.

        Raises:
            OSError: raw sockets are not permitted to us (EPERM), or there is none to have.
        """
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        sock = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        try:
            sock.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_REPLIES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
            arrival.request(sock)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._loop.watch(sock.fileno(), self.drain)

    def close(self) -> None:
        """Give back the socket."""
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def join(self, callback: Callable[[Answer], None]) -> int:
        """Be an asker; the number is for `ask` and `part`."""
        asker = self._next_asker
        self._next_asker += 1
        self._askers[asker] = callback
        return asker

    def part(self, asker: int) -> None:
        """Get no more answers."""
        self._askers.pop(asker, None)

    def ask(self, asker: int, *, source: bytes, destination: str, interface: int, now: int) -> bool:
        """Send a request from our address `source` out of an interface, and whether the kernel took it."""
        if self._socket is None or not interface:
            self._counters["icmp-send-ENODEV"] += 1
            return False
        self._sequence = (self._sequence + 1) & 0xFFFF
        request = encode_request(Echo(self._identifier, self._sequence, self._cookie, asker, now))
        try:
            self._socket.sendmsg([request], [arrival.pin(interface, source)], 0, (destination, 0))
        except OSError as error:
            self._counters[f"icmp-send-{errno.errorcode.get(error.errno or 0, 'error')}"] += 1
            return False
        self._counters["icmp-sent"] += 1
        return True

    def drain(self) -> None:
        """Read all that has arrived; what goes on arriving is left to the next round."""
        sock = self._socket
        if sock is None:
            return
        now = self._clock.begin()
        for _ in range(_BATCH):
            try:
                data, ancillary, _, source = sock.recvmsg(_LARGEST, arrival.SPACE)
            except BlockingIOError:
                return
            except OSError as error:
                self._counters[f"icmp-receive-{errno.errorcode.get(error.errno or 0, 'error')}"] += 1
                return
            self._accept(data, ancillary, source[0], now)

    def _accept(self, data: bytes, ancillary: list[tuple[int, int, bytes]], source: str, now: int) -> None:
        reply = decode_reply(data)
        if reply is None or reply.cookie != self._cookie or reply.identifier != self._identifier:
            self._counters["icmp-not-ours"] += 1
            return
        callback = self._askers.get(reply.asker)
        how = arrival.read(ancillary)
        arrived = self._clock.arrived(how.stamp_ns, now)
        if callback is None or reply.sent_ns > now:
            self._counters["icmp-not-ours"] += 1
            return
        self._counters["icmp-received"] += 1
        callback(Answer(source, how.interface, arrived, reply.sent_ns))
