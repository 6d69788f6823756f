"""ICMP echo on the wire (RFC 792, RFC 4443): requests with a payload that nobody else can know, and their replies."""

from __future__ import annotations

import struct
from dataclasses import dataclass

COOKIE_LENGTH = 8

_HEADER = struct.Struct("!BBHHH")
_PAYLOAD = struct.Struct(f"!{COOKIE_LENGTH}sIQ")
_WORDS = struct.Struct(f"!{(_HEADER.size + _PAYLOAD.size) // 2}H")
_REQUEST, _REPLY = 8, 0
_REQUEST6, REPLY6 = 128, 129
"""The types of ICMPv6 echo."""
_IP_HEADER = 20


@dataclass(frozen=True, slots=True)
class Echo:
    """An Echo is one request or its reply: `cookie` is ours alone, `asker` says whose, `sent_ns` when it was sent."""

    identifier: int
    sequence: int
    cookie: bytes
    asker: int
    sent_ns: int


def encode_request(echo: Echo) -> bytes:
    """The ICMP message that asks."""
    payload = _PAYLOAD.pack(echo.cookie, echo.asker, echo.sent_ns)
    plain = _HEADER.pack(_REQUEST, 0, 0, echo.identifier, echo.sequence) + payload
    return _HEADER.pack(_REQUEST, 0, checksum(plain), echo.identifier, echo.sequence) + payload


def encode_request6(echo: Echo) -> bytes:
    """The ICMPv6 message that asks; the kernel writes its checksum (RFC 3542 section 3.1)."""
    payload = _PAYLOAD.pack(echo.cookie, echo.asker, echo.sent_ns)
    return _HEADER.pack(_REQUEST6, 0, 0, echo.identifier, echo.sequence) + payload


def decode_reply(datagram: bytes) -> Echo | None:
    """The reply in an IPv4 datagram as a raw socket gives it; None if it is none of ours by its form."""
    if len(datagram) < _IP_HEADER:
        return None
    start = (datagram[0] & 0x0F) * 4
    return _decode(datagram, start, _REPLY) if start >= _IP_HEADER else None


def decode_reply6(message: bytes) -> Echo | None:
    """The reply in an ICMPv6 message as a raw socket gives it, without an IP header; None if it is none of ours."""
    return _decode(message, 0, REPLY6)


def _decode(datagram: bytes, start: int, wanted: int) -> Echo | None:
    if len(datagram) != start + _HEADER.size + _PAYLOAD.size:
        return None
    kind, code, _, identifier, sequence = _HEADER.unpack_from(datagram, start)
    if kind != wanted or code != 0:
        return None
    cookie, asker, sent = _PAYLOAD.unpack_from(datagram, start + _HEADER.size)
    return Echo(identifier, sequence, cookie, asker, sent)


def checksum(message: bytes) -> int:
    """The internet checksum (RFC 1071) of a message of our length, whose own field is zero."""
    total: int = sum(_WORDS.unpack(message))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
