"""Which routers lie on the way to an address, told by what becomes of packets that may not go further. Blocks.

A UDP packet whose TTL ends at a router comes back as an ICMP error (RFC 792, RFC 4443), which the kernel hands to the
socket that sent it (IP_RECVERR of ip(7), IPV6_RECVERR): no raw socket is needed. One packet at a time, and all of one
flow, so that routers that share out their traffic by flows send each by the same way.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from dataclasses import dataclass

MOST_HOPS = 30
"""Packets of one trace, at most."""
MOST_SILENT = 5
"""After so many silent routers in a row nothing more is expected."""
PATIENCE = 0.8
"""Seconds for an answer: 600 ms are a satellite. Who is later counts as silent, unless it says to what it answers."""
PORT = 33434
"""Where traceroute has always sent to; nobody listens there."""
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_SO_MARK = 36
_EXTENDED_ERROR = struct.Struct("=IBBBxII")
"""struct sock_extended_err of linux/errqueue.h; the address of who said it comes behind it."""
_FAMILY = struct.Struct("=H")
_FROM_ICMP, _FROM_ICMP6 = 2, 3
_TIME_EXCEEDED = {_FROM_ICMP: 11, _FROM_ICMP6: 3}
_TOKEN_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A Found is the routers by their distance, None: silent. `reached`: the end itself answered, behind the last one.

    `error` says why there is no trace.
    """

    hops: tuple[str | None, ...] = ()
    reached: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is one ICMP error: who said it, to the packet of which distance, and whether packets pass there."""

    speaker: str
    distance: int
    is_on_the_way: bool


def trace(to: str, mark: int, source: str | None) -> Found:
    """The way to an address by packets with this mark, from this source. Half a minute at most; raises no OSError."""
    try:
        with socket.socket(_family(to), socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            return _Tracer(sock, to, mark, source).trace()
    except OSError as error:
        return Found(error=error.strerror or str(error))


class _Tracer:
    def __init__(self, sock: socket.socket, to: str, mark: int, source: str | None) -> None:
        self._socket, self._to = sock, to
        six = sock.family == socket.AF_INET6
        self._level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        self._errors = _IPV6_RECVERR if six else _IP_RECVERR
        self._limit = socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL
        self._token = os.urandom(_TOKEN_LENGTH)
        self._hops: dict[int, str] = {}
        self._ends_at: int | None = None
        self._reached = False
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
        sock.setsockopt(self._level, self._errors, 1)
        if source is not None:
            sock.bind((source, 0))
        sock.connect((to, PORT))

    def trace(self) -> Found:
        silent = 0
        for distance in range(1, MOST_HOPS + 1):
            self._ask(distance)
            silent = 0 if distance in self._hops else silent + 1
            if self._ends_at is not None or silent == MOST_SILENT:
                break
        length = max(self._hops, default=0) if self._ends_at is None else self._ends_at
        return Found(tuple(map(self._hops.get, range(1, length + 1))), self._reached)

    def _ask(self, distance: int) -> None:
        """Send one packet, and wait until it is answered."""
        self._socket.setsockopt(self._level, self._limit, distance)
        self._socket.send(self._token + bytes([distance]))
        poll, ends = select.poll(), time.monotonic() + PATIENCE
        poll.register(self._socket, 0)  # errors are told always
        while (left := ends - time.monotonic()) > 0 and self._ends_at is None and distance not in self._hops:
            poll.poll(left * 1000)
            self._take_all(distance)

    def _take_all(self, newest: int) -> None:
        while True:
            try:
                quoted, about, _, _ = self._socket.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # taken by this, or sending would fail
                return
            for level, kind, data in about:
                if (level, kind) == (self._level, self._errors):
                    self._take(quoted, data, newest)

    def _take(self, quoted: bytes, data: bytes, newest: int) -> None:
        answer = answer_in(data, quoted, self._token, newest)
        if answer is None or (self._ends_at is not None and answer.distance > self._ends_at):
            return
        if answer.speaker == self._to:
            self._ends_at, self._reached = answer.distance - 1, True
        elif answer.speaker == self._socket.getsockname()[0]:
            self._ends_at = answer.distance - 1  # our own kernel: nobody is there
        else:
            self._hops[answer.distance] = answer.speaker
            if not answer.is_on_the_way:
                self._ends_at = answer.distance


def answer_in(data: bytes, quoted: bytes, token: bytes, newest: int) -> Answer | None:
    """An ICMP error as the kernel hands it over, with what it quotes of a packet; None: it is no answer to ours.

    It answers the packet that it quotes, be it late; a router that quotes none of it, as RFC 792 allows, the newest.
    """
    _, origin, kind, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
    speaker = _address(data[_EXTENDED_ERROR.size :])
    if origin not in _TIME_EXCEEDED or speaker is None:
        return None
    if len(quoted) <= len(token):
        return Answer(speaker, newest, kind == _TIME_EXCEEDED[origin])
    return Answer(speaker, quoted[len(token)], kind == _TIME_EXCEEDED[origin]) if quoted.startswith(token) else None


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _address(data: bytes) -> str | None:
    """A struct sockaddr_in or sockaddr_in6."""
    if len(data) < _FAMILY.size:
        return None
    family = _FAMILY.unpack_from(data)[0]
    if family == socket.AF_INET and len(data) >= 8:
        return socket.inet_ntop(family, data[4:8])
    if family == socket.AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(family, data[8:24])
    return None
