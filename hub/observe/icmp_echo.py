"""ICMP echo without privilege: by a ping socket (icmp(7)) where this process's group may have one, else a raw one."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time

from hub.observe.answer import Answer, CannotAskError
from hub.observe.way import Way
from policies.model.ids import Address
from policies.model.targets import Outcome, Ping

_REQUEST, _REPLY = 8, 0
_REQUEST6, _REPLY6 = 128, 129
_HEADER = struct.Struct("!BBHHH")
_TOKEN_LENGTH = 24
_LARGEST = 512
_MEND = 'sysctl -w net.ipv4.ping_group_range="0 2147483647" (and in /etc/sysctl.d), which most distributions have'


async def ping(question: Ping, way: Way) -> Answer:
    """One echo request, until it is answered; the caller gives up.

    Raises:
        CannotAskError: this user may send none, or not by this way.
        OSError: what the kernel says of the target.
    """
    loop, address = asyncio.get_running_loop(), question.address
    sock = _socket(way, address)
    try:
        sock.connect((str(address), 0))  # which waits for nobody; asyncio's would look up ICMP as a service
        token, raw = os.urandom(_TOKEN_LENGTH), sock.type == socket.SOCK_RAW
        began = time.monotonic()
        await loop.sock_sendall(sock, encode_request(address.version, os.getpid() & 0xFFFF, token))
        while not is_reply(await loop.sock_recv(sock, _LARGEST), address.version, token, raw=raw):
            pass
        return Answer(Outcome.ANSWERED, time.monotonic() - began)
    finally:
        sock.close()


def _socket(way: Way, address: Address) -> socket.socket:
    protocol = socket.IPPROTO_ICMP if address.version == 4 else socket.IPPROTO_ICMPV6
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return way.socket_to(address, kind, protocol)
        except PermissionError:
            continue
    raise CannotAskError("ICMP is not permitted to this user", _MEND)


def encode_request(version: int, identifier: int, token: bytes) -> bytes:
    """An echo request (RFC 792, RFC 4443 section 4.1). A ping socket writes identifier and checksum anew."""
    kind = _REQUEST if version == 4 else _REQUEST6
    bare = _HEADER.pack(kind, 0, 0, identifier, 1) + token
    return _HEADER.pack(kind, 0, checksum(bare), identifier, 1) + token


def is_reply(data: bytes, version: int, token: bytes, *, raw: bool) -> bool:
    """Whether this packet is the reply to the request with the token; a raw IPv4 socket hands the IP header too."""
    if raw and version == 4 and data:
        data = data[(data[0] & 0x0F) * 4 :]
    return len(data) >= _HEADER.size and data[0] == (_REPLY if version == 4 else _REPLY6) and data[8:] == token


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
