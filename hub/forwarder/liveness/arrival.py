"""Reading datagrams, and what the kernel says of each: interface, local address, TTL, and when it arrived."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

IP_PKTINFO = 8
IP_TTL = 2
IP_RECVTTL = 12
SO_TIMESTAMPNS = 35
"""Numbers of <linux/in.h> and <asm-generic/socket.h> that Python 3.11 doesn't name."""

_PACKET_INFO = struct.Struct("i4s4s")
_PACKET_INFO6 = struct.Struct("16sI")
_TIMESPEC = struct.Struct("qq")
_INTEGER = struct.Struct("i")
SPACE = socket.CMSG_SPACE(_PACKET_INFO6.size) + socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_INTEGER.size)
"""Bytes of ancillary data that one datagram brings, at most."""
BATCH = 512
"""Datagrams that are read in one go."""

Ancillary = list[tuple[int, int, bytes]]
Accept = Callable[[bytes, Ancillary, str, int], None]
"""Takes one datagram: its bytes, its ancillary data, the address that it came from, and the present instant."""
_OLDEST = 10_000_000_000
_CLOCK_STEP = 1_000_000


class Arrival(NamedTuple):
    """An Arrival is where a datagram came in; `stamp_ns` is CLOCK_REALTIME, 0 if the kernel gave none."""

    interface: int
    destination: bytes
    ttl: int
    stamp_ns: int


def request(sock: socket.socket) -> None:
    """Have the kernel say all this of every datagram that the socket receives; of IPv6 not the hop limit."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def read(ancillary: Ancillary) -> Arrival:
    """Read the ancillary data of one recvmsg; what is missing is 0."""
    interface = ttl = stamp = 0
    destination = b""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, rest = _TIMESPEC.unpack_from(data)
            stamp = seconds * 1_000_000_000 + rest
        elif level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            interface, _, destination = _PACKET_INFO.unpack_from(data)
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            destination, interface = _PACKET_INFO6.unpack_from(data)
        elif level == socket.IPPROTO_IP and kind == IP_TTL:
            ttl = _INTEGER.unpack_from(data)[0]
    return Arrival(interface, destination, ttl, stamp)


def pin(interface: int, source: bytes) -> tuple[int, int, bytes]:
    """The ancillary data that sends a datagram out of one interface, from one address of four or sixteen bytes."""
    if len(source) == 16:
        return (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PACKET_INFO6.pack(source, interface))
    return (socket.IPPROTO_IP, IP_PKTINFO, _PACKET_INFO.pack(interface, source, b"\0\0\0\0"))


class ArrivalClock:
    """An ArrivalClock turns the kernel's receive timestamps into instants of the monotonic clock.

    Timestamps are of the wall clock, which may be set while a datagram waits to be read. When it was, and whenever a
    timestamp makes no sense, the datagram counts as having arrived now.
    """

    def __init__(self) -> None:
        self._offset = 0
        self._steady = False

    def begin(self) -> int:
        """Look at both clocks, before a series of reads; the monotonic one is returned."""
        now = time.monotonic_ns()
        self.compare(time.time_ns(), now)
        return now

    def compare(self, realtime_ns: int, now: int) -> None:
        """The two clocks at one moment."""
        offset = realtime_ns - now
        self._steady = abs(offset - self._offset) < _CLOCK_STEP
        self._offset = offset

    def arrived(self, stamp_ns: int, now: int) -> int:
        """The monotonic instant of a timestamp."""
        instant = stamp_ns - self._offset
        return instant if self._steady and 0 <= now - instant < _OLDEST else now


class Arrivals:
    """An Arrivals reads a socket empty and hands on what came; `name` begins the counters of what fails."""

    def __init__(self, name: str, largest: int, counters: Counter[str], accept: Accept) -> None:
        self.clock = ArrivalClock()
        self._name = name
        self._largest = largest
        self._counters = counters
        self._accept = accept

    def drain(self, sock: socket.socket) -> None:
        """Read all that has arrived; what goes on arriving is left to the next round."""
        now = self.clock.begin()
        for _ in range(BATCH):
            try:
                data, ancillary, _, source = sock.recvmsg(self._largest, SPACE)
            except BlockingIOError:
                return
            except OSError as error:
                self._counters[f"{self._name}-receive-{errno.errorcode.get(error.errno or 0, 'error')}"] += 1
                return
            self._accept(data, ancillary, source[0], now)
