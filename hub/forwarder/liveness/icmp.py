"""The raw sockets for ICMP echo, one an IP version: requests out of a chosen interface, replies to whoever asked."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hub.forwarder.liveness import arrival
from hub.forwarder.liveness.arrival import Ancillary, Arrivals
from hub.forwarder.liveness.echo import (
    COOKIE_LENGTH,
    REPLY6,
    Echo,
    decode_reply,
    decode_reply6,
    encode_request,
    encode_request6,
)
from hub.forwarder.liveness.model import Version
from hub.forwarder.loop import Loop

_SOL_RAW = 255
_ICMP_FILTER = 1
_ONLY_REPLIES = struct.pack("I", 0xFFFFFFFE)
_ICMPV6_FILTER = 1
_ONLY_REPLIES6 = struct.pack(
    "8I", *(0xFFFFFFFF & ~(1 << REPLY6 % 32 if word == REPLY6 // 32 else 0) for word in range(8))
)
"""One bit for each type that the kernel keeps back (RFC 3542 section 3.2), neighbor discovery among them."""
_RECEIVE_BUFFER = 1 << 20
_LARGEST = 256
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

    def __init__(self, loop: Loop, counters: Counter[str], version: Version = 4) -> None:
        self.version = version
        self._loop = loop
        self._counters = counters
        self._name = "icmp" if version == 4 else "icmpv6"
        self._encode = encode_request if version == 4 else encode_request6
        self._decode = decode_reply if version == 4 else decode_reply6
        self._arrivals = Arrivals(self._name, _LARGEST, counters, self._accept)
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
        family, protocol = (
            (socket.AF_INET, socket.IPPROTO_ICMP) if self.version == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
        )
        sock = socket.socket(family, kind, protocol)
        try:
            if self.version == 4:
                sock.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_REPLIES)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
            else:
                sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, _ONLY_REPLIES6)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CS6)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
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
            self._counters[f"{self._name}-send-ENODEV"] += 1
            return False
        self._sequence = (self._sequence + 1) & 0xFFFF
        request = self._encode(Echo(self._identifier, self._sequence, self._cookie, asker, now))
        try:
            self._socket.sendmsg([request], [arrival.pin(interface, source)], 0, (destination, 0))
        except OSError as error:
            self._counters[f"{self._name}-send-{errno.errorcode.get(error.errno or 0, 'error')}"] += 1
            return False
        self._counters[f"{self._name}-sent"] += 1
        return True

    def drain(self) -> None:
        """Read all that has arrived; what goes on arriving is left to the next round."""
        if self._socket is not None:
            self._arrivals.drain(self._socket)

    def _accept(self, data: bytes, ancillary: Ancillary, source: str, now: int) -> None:
        reply = self._decode(data)
        if reply is None or reply.cookie != self._cookie or reply.identifier != self._identifier:
            self._counters[f"{self._name}-not-ours"] += 1
            return
        callback = self._askers.get(reply.asker)
        how = arrival.read(ancillary)
        arrived = self._arrivals.clock.arrived(how.stamp_ns, now)
        if callback is None or reply.sent_ns > now:
            self._counters[f"{self._name}-not-ours"] += 1
            return
        self._counters[f"{self._name}-received"] += 1
        callback(Answer(source, how.interface, arrived, reply.sent_ns))
