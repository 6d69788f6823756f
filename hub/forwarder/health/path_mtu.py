"""Whether packets as large as a tunnel's interface allows pass it, and if not, which do. Blocks: not for the loop.

An ICMP echo that must not be broken up (ip(7), IP_PMTUDISC_PROBE), answered by the far end's kernel at the same size. A
lost one says nothing alone: it counts when a small one right after it is answered.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

from hub.forwarder.liveness import arrival
from policies.model.path_mtu import PathMtu

TRIES = 3
SMALLEST = 576
"""Bytes that every path passes (RFC 791); below that nothing is looked for."""
PATIENCE, SHORTEST_PATIENCE = 1.0, 0.2
"""Seconds for an answer: the first while none came, then the second and four times what the slowest took."""
_IP_MTU_DISCOVER, _PROBE = 10, 3
_HEADERS = 28
"""Bytes of IPv4's header and of ICMP's."""
_ICMP = struct.Struct("!BBHHH")
_REQUEST, _REPLY = 8, 0
_SOL_RAW, _FILTER, _ONLY_REPLIES = 255, 1, struct.pack("I", 0xFFFFFFFE)

Passes = Callable[[int], bool]
"""Whether a packet of so many bytes is answered, asked once."""


def find(size: int, before: PathMtu | None, passes: Passes) -> PathMtu:
    """Ask with full size; where that does not pass, look for what does, beginning with what did `before`."""
    for _ in range(TRIES):
        if passes(size):
            return PathMtu(size, ok=True)
        if not passes(SMALLEST):
            return PathMtu(size, ok=None)
    same = before if before is not None and before.size == size else None
    looks, known = (same.looks + 1, same.works) if same is not None else (1, None)
    if known is not None and _passes_soon(known, passes) and not _passes_soon(known + 1, passes):
        return PathMtu(size, ok=False, works=known, looks=looks)
    return PathMtu(size, ok=False, works=_search(size, passes), looks=looks)


def _search(size: int, passes: Passes) -> int:
    works, too_large = SMALLEST, size
    while too_large - works > 1:
        middle = (works + too_large) // 2
        if _passes_soon(middle, passes):
            works = middle
        else:
            too_large = middle
    return works


def _passes_soon(size: int, passes: Passes) -> bool:
    return any(passes(size) for _ in range(2))


class EchoPath:
    """An EchoPath asks one far end, through one interface, from our address `local`; use it in a with statement.

    Raises:
        OSError: the interface or the address is missing.
    """

    def __init__(self, interface: int, local: str, remote: str) -> None:
        self._pin = arrival.pin(interface, socket.inet_aton(local))
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._sequence = 0
        self._patience = PATIENCE
        self._slowest = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        try:
            self._socket.setsockopt(_SOL_RAW, _FILTER, _ONLY_REPLIES)
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
            self._socket.bind((local, 0))
            self._socket.connect((remote, 0))  # others' answers are none of ours
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> EchoPath:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def passes(self, size: int) -> bool:
        """Whether a packet of so many bytes, headers and all, is answered by one of the same size."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        payload = os.urandom(size - _HEADERS)
        plain = _ICMP.pack(_REQUEST, 0, 0, self._identifier, self._sequence) + payload
        request = _ICMP.pack(_REQUEST, 0, _checksum(plain), self._identifier, self._sequence) + payload
        try:
            self._socket.sendmsg([request], [self._pin])
        except OSError:
            return False
        return self._is_answered(payload)

    def _is_answered(self, payload: bytes) -> bool:
        asked = time.monotonic()
        while (left := asked + self._patience - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                datagram = self._socket.recv(1 << 16)
            except OSError:
                return False
            start = (datagram[0] & 0x0F) * 4
            kind, _, _, identifier, sequence = _ICMP.unpack_from(datagram, start)
            if (kind, identifier, sequence) == (_REPLY, self._identifier, self._sequence):
                self._slowest = max(self._slowest, time.monotonic() - asked)
                self._patience = min(SHORTEST_PATIENCE + 4 * self._slowest, PATIENCE)
                return datagram[start + _ICMP.size :] == payload
        return False


def _checksum(message: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = message + b"\0" * (len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
