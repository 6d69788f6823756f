"""The two netlink sockets: one asks and is answered, the other listens to what happens."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub.forwarder.netlink import wire

ROUTING, NETFILTER, GENERIC = 0, 12, 16
"""Protocols of netlink(7)."""
LINKS, IPV4_ADDRESSES, IPV4_RULES, IPV6_ADDRESSES, IPV6_RULES, NEXTHOPS = 1, 5, 8, 9, 19, 32
"""Groups of notifications (rtnetlink(7)). Never IPV4_ROUTE or IPV6_ROUTE: with the kernel's default
`nexthop_compat_mode` each switch of a nexthop would send one message for every route behind it, and wait for them
(64 ms for 10,000)."""

_SOL_NETLINK, _ADD_MEMBERSHIP, _CAP_ACK, _EXT_ACK, _STRICT = 270, 1, 10, 11, 12
_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 8 << 20
_LARGEST_DATAGRAM = 1 << 18
_LAST_SEQUENCE = 0xFF000000
MOST_DUMPS = 8
"""How often a dump that others disturb is begun again, before the last one is believed as it is."""
_LARGEST_SEND = 60_000
"""Bytes in one send; the kernel works through all of them before `send` returns."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A Failure is a request that the kernel refused: its place in the batch, errno and the kernel's own words."""

    index: int
    code: int
    text: str

    def __str__(self) -> str:
        return self.text or os.strerror(self.code)


class DumpError(OSError):
    """The kernel refused a dump."""


class DumpInterruptedError(DumpError):
    """What is dumped was changed meanwhile, so that the answer, which came whole, is no picture of one moment."""


class Requests:
    """A Requests is a netlink socket for changes and dumps. Changes are synchronous: done when `send` returns.

    `protocol` is the netlink family (netlink(7)), routing by default.
    """

    def __init__(self, protocol: int = ROUTING) -> None:
        self._socket = _open(protocol)
        for option in (_CAP_ACK, _EXT_ACK, _STRICT):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._sequence = 0

    @property
    def port(self) -> int:
        """The number under which the kernel knows this socket; notifications of our own changes carry it."""
        name: tuple[int, int] = self._socket.getsockname()
        return name[0]

    def send(self, requests: Sequence[bytes]) -> list[Failure]:
        """Carry out changes in order; each one stands alone, and what was refused is returned.

        Raises:
            OSError: the socket itself failed.
        """
        failures: list[Failure] = []
        start = 0
        while start < len(requests):
            end, size = start, 0
            while end < len(requests) and (end == start or size + len(requests[end]) <= _LARGEST_SEND):
                size += len(requests[end])
                end += 1
            failures += self._send_once(requests[start:end], start)
            start = end
        return failures

    def _send_once(self, requests: Sequence[bytes], offset: int) -> list[Failure]:
        if self._sequence > _LAST_SEQUENCE:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence = last = first + len(requests) - 1
        buffer = bytearray(b"".join(requests))
        at = 0
        for number, request in enumerate(requests, first):
            wire.U32.pack_into(buffer, at + 8, number)
            at += len(request)
        buffer[at - len(requests[-1]) + 6] |= wire.ACKNOWLEDGE
        self._socket.sendall(buffer)
        return self._answers(first, last, offset)

    def send_together(self, begin: bytes, requests: Sequence[bytes], end: bytes) -> list[Failure]:
        """Carry out changes of nftables all or none, between the two messages that enclose them.

        Where `begin` itself is refused nothing else is answered; that is told as a failure of the last request.

        Raises:
            OSError: the socket itself failed.
        """
        if self._sequence > _LAST_SEQUENCE:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence = last = first + len(requests) - 1
        buffer = bytearray()
        for number, request in zip((last, *range(first, last + 1), last), (begin, *requests, end), strict=True):
            at = len(buffer)
            buffer += request
            wire.U32.pack_into(buffer, at + 8, number)
            if request is requests[-1]:
                buffer[at + 6] |= wire.ACKNOWLEDGE
        self._socket.sendall(buffer)
        return self._answers(first, last, 0)

    def _answers(self, first: int, last: int, offset: int) -> list[Failure]:
        failures = []
        while True:
            for kind, flags, sequence, _port, body in wire.messages(self._socket.recv(_LARGEST_DATAGRAM)):
                if kind != wire.ERROR or not first <= sequence <= last:
                    continue
                code, text = wire.acknowledgement(flags, body)
                if code:
                    failures.append(Failure(sequence - first + offset, code, text))
                if sequence == last:
                    return failures

    def dump(self, request: bytes, piece: int = _LARGEST_DATAGRAM) -> Iterator[list[tuple[int, bytes]]]:
        """The answer to a dump, one list of (type, body) for each datagram: the caller can do other work between.

        The kernel makes no datagram larger than the largest `piece` (bytes) that was ever asked of this socket.
        Nothing else may be asked on this socket until the dump is over.

        Raises:
            DumpInterruptedError: after the last piece, when something was changed meanwhile (NLM_F_DUMP_INTR).
            DumpError: the kernel does not know the table, or refuses.
        """
        if self._sequence >= _LAST_SEQUENCE:
            self._sequence = 0
        self._sequence += 1
        interrupted = 0
        buffer = bytearray(request)
        wire.U32.pack_into(buffer, 8, self._sequence)
        self._socket.sendall(buffer)
        while True:
            found: list[tuple[int, bytes]] = []
            for kind, flags, sequence, _port, body in wire.messages(self._socket.recv(piece)):
                if sequence != self._sequence:
                    continue
                interrupted |= flags & wire.DUMP_INTERRUPTED
                if kind == wire.DONE:
                    yield found
                    if interrupted:
                        raise DumpInterruptedError(errno.EINTR, "it was changed meanwhile")
                    return
                if kind == wire.ERROR:
                    code, text = wire.acknowledgement(flags, body)
                    raise DumpError(code or errno.EPROTO, text or os.strerror(code))
                found.append((kind, body))
            yield found

    def whole(self, request: bytes) -> list[tuple[int, bytes]]:
        """The answer to a small dump at once, begun again while others disturb it.

        Raises:
            DumpError: the kernel does not know the table, or refuses.
        """
        found: list[tuple[int, bytes]] = []
        for _ in range(MOST_DUMPS):
            found.clear()
            try:
                for piece in self.dump(request):
                    found += piece
            except DumpInterruptedError:
                continue
            break
        return found

    def close(self) -> None:
        """Close the socket; what is in the kernel stays."""
        self._socket.close()


class Notifications:
    """A Notifications is a netlink socket that hears of changes, whoever made them."""

    def __init__(
        self, groups: Sequence[int] = (LINKS, IPV4_ADDRESSES, IPV4_RULES, IPV6_ADDRESSES, IPV6_RULES, NEXTHOPS)
    ) -> None:
        self._socket = _open()
        for group in groups:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._socket.settimeout(0)

    def fileno(self) -> int:
        """For the event loop."""
        return self._socket.fileno()

    def read(self) -> tuple[list[tuple[int, int, bytes]], bool]:
        """((type, port of the originator, body) of all that is there now, whether some were lost)."""
        found: list[tuple[int, int, bytes]] = []
        while True:
            try:
                data = self._socket.recv(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return found, False
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                return found, True
            found += [(kind, port, body) for kind, _flags, _sequence, port, body in wire.messages(data)]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open(protocol: int = ROUTING) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:  # in a user namespace of an ordinary user
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    opened.bind((0, 0))
    return opened
