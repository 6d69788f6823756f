"""Netlink's outer form: headers, attributes, acknowledgements (netlink(7), linux/netlink.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

REQUEST, MULTI, ACKNOWLEDGE = 0x1, 0x2, 0x4
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
DUMP = 0x300
DUMP_INTERRUPTED = 0x10
"""The table changed while it was dumped: what came is not one consistent picture."""

ERROR, DONE, OVERRUN = 2, 3, 4
"""Message types below 16 belong to netlink itself."""

ACK_ATTRIBUTES = 0x200
"""Flag of an acknowledgement that carries attributes (NLM_F_ACK_TLVS), the kernel's own words among them."""
ACK_CAPPED = 0x100
"""Flag of an acknowledgement that repeats only the header of the request."""
ATTRIBUTE_ERROR_TEXT = 1

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
U32 = struct.Struct("=I")
I32 = struct.Struct("=i")
ATTRIBUTE_TYPE_MASK = 0x3FFF
"""Without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER."""


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One request. Its sequence number is left zero: whoever sends it writes it in."""
    return HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 0, 0) + body


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = ATTRIBUTE.size + len(data)
    return ATTRIBUTE.pack(length, kind) + data + b"\0" * (-length % 4)


def attribute_u32(kind: int, value: int) -> bytes:
    """One attribute that holds an unsigned 32-bit number."""
    return ATTRIBUTE.pack(8, kind) + U32.pack(value)


def messages(data: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    """(type, flags, sequence, port, body) of each message in a received datagram; stops at a malformed one."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, sequence, port = HEADER.unpack_from(data, offset)
        if length < HEADER.size or offset + length > len(data):
            return
        yield kind, flags, sequence, port, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes from `offset` on by type; the last of a type counts, a malformed one ends the list."""
    found: dict[int, bytes] = {}
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & ATTRIBUTE_TYPE_MASK] = data[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def members(data: bytes) -> Iterator[bytes]:
    """The contents of attributes that are a list, whatever their types; a malformed one ends it."""
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        length = ATTRIBUTE.unpack_from(data, offset)[0]
        if length < ATTRIBUTE.size or offset + length > len(data):
            return
        yield data[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def read_u32(data: bytes | None, default: int = 0) -> int:
    """The number in an attribute; `default` when it is missing or of another size."""
    if data is None or len(data) != U32.size:
        return default
    number: int = U32.unpack(data)[0]
    return number


def read_text(data: bytes | None) -> str:
    """The zero-terminated text in an attribute; empty when it is missing."""
    return (data or b"").split(b"\0", 1)[0].decode("utf-8", "replace")


def acknowledgement(flags: int, body: bytes) -> tuple[int, str]:
    """(errno, the kernel's own words or nothing) of an ERROR message; errno 0 is "done"."""
    if len(body) < 4 + HEADER.size:
        return 0, ""
    (code,) = I32.unpack_from(body)
    if not flags & ACK_ATTRIBUTES:
        return -code, ""
    request_length = HEADER.unpack_from(body, 4)[0]
    start = 4 + (HEADER.size if flags & ACK_CAPPED else (request_length + 3) & ~3)
    return -code, read_text(attributes(body, start).get(ATTRIBUTE_ERROR_TEXT))
