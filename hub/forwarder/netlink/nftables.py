"""A table of nftables that counts forwarded packets by interface and changes nothing (linux/netfilter/nf_tables.h).

What `nft list table inet pointsman` shows of it:

    set in { type ifname; elements = { "wg0" counter packets 12 bytes 1008 } }
    set out { ... }
    chain forward { type filter hook forward priority 300; policy accept; iifname @in; oifname @out; }

A set costs each packet one look, however many interfaces are counted. The chain comes after all others of the hook:
what a firewall drops was not forwarded.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator

from hub.forwarder.netlink import wire

TABLE, IN, OUT = "pointsman", "in", "out"
OWNED = 0x2
"""The table goes away with the socket that made it (NFT_TABLE_F_OWNER, since Linux 5.12)."""
_CHAIN = "forward"
_SUBSYSTEM = 10
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE, _NEW_SET = 0, 2, 3, 6, 9
_NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT = 12, 13, 14
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_INET, _FORWARD, _LAST_PRIORITY, _ACCEPT = 1, 2, 300, 1
_TYPE_INTERFACE_NAME, _NAME_LENGTH = 41, 16
_META_IN_NAME, _META_OUT_NAME, _REGISTER = 6, 7, 1
_APPEND = 0x800
_NESTED = 0x8000
_BYTE_ORDER = struct.pack("=BBI", 0, 4, 1)
"""For nft(8) alone, which would show no names without: the keys are in the byte order of the machine."""
_U64 = struct.Struct("!Q")
_U32 = struct.Struct("!I")
_HEADER = struct.Struct("!BBH")
"""Family, version, resource (linux/netfilter/nfnetlink.h)."""


def begin() -> bytes:
    """What comes before changes that are made together."""
    return wire.message(_BATCH_BEGIN, 0, _HEADER.pack(socket.AF_UNSPEC, 0, _SUBSYSTEM))


def end() -> bytes:
    """What comes behind them."""
    return wire.message(_BATCH_END, 0, _HEADER.pack(socket.AF_UNSPEC, 0, _SUBSYSTEM))


def make(flags: int) -> list[bytes]:
    """The table, with nothing to count yet. Fails where there is one already."""
    table = _text(1, TABLE)
    hook = _nested(4, _number(1, _FORWARD) + _number(2, _LAST_PRIORITY))
    chain = table + _text(3, _CHAIN) + hook + _number(5, _ACCEPT) + _text(7, "filter")
    return [
        _change(_NEW_TABLE, wire.CREATE | wire.EXCLUSIVE, table + _number(2, flags)),
        _change(_NEW_CHAIN, wire.CREATE, chain),
        *(_change(_NEW_SET, wire.CREATE, _set(name, number)) for number, name in enumerate((IN, OUT), 1)),
        _change(_NEW_RULE, wire.CREATE | _APPEND, _rule(_META_IN_NAME, IN)),
        _change(_NEW_RULE, wire.CREATE | _APPEND, _rule(_META_OUT_NAME, OUT)),
    ]


def remove() -> list[bytes]:
    """The table goes away, and all that is in it. Fails with ENOENT where there is none."""
    return [_change(_DELETE_TABLE, 0, _text(1, TABLE))]


def count(interfaces: Collection[str]) -> list[bytes]:
    """These interfaces are counted from now on, from zero. Nothing for none."""
    return [
        _change(_NEW_ELEMENT, wire.CREATE, _elements(name, interfaces, counter=True))
        for name in (IN, OUT)
        if interfaces
    ]


def ignore(interfaces: Collection[str]) -> list[bytes]:
    """These interfaces, which are counted, are so no more. Nothing for none."""
    return [_change(_DELETE_ELEMENT, 0, _elements(name, interfaces, counter=False)) for name in (IN, OUT) if interfaces]


def dump(name: str) -> bytes:
    """Ask for what was counted, `IN` or `OUT`."""
    return _change(_GET_ELEMENT, wire.DUMP, _text(1, TABLE) + _text(2, name))


def decode(body: bytes) -> Iterator[tuple[str, int]]:
    """The interfaces in one message of the answer, each with the packets that were counted."""
    elements = wire.attributes(body, _HEADER.size).get(3, b"")
    for element in wire.members(elements):
        found = wire.attributes(element)
        name = wire.read_text(wire.attributes(found.get(1, b"")).get(1))
        counter = wire.attributes(wire.attributes(found.get(7, b"")).get(2, b""))
        packets = counter.get(2, b"")
        if name and len(packets) == _U64.size:
            yield name, _U64.unpack(packets)[0]


def _change(kind: int, flags: int, attributes: bytes) -> bytes:
    return wire.message(_SUBSYSTEM << 8 | kind, flags, _HEADER.pack(_INET, 0, 0) + attributes)


def _set(name: str, number: int) -> bytes:
    return (
        _text(1, TABLE)
        + _text(2, name)
        + _number(3, 0)
        + _number(4, _TYPE_INTERFACE_NAME)
        + _number(5, _NAME_LENGTH)
        + _number(10, number)
        + wire.attribute(13, _BYTE_ORDER)
    )


def _rule(meta: int, name: str) -> bytes:
    look = _expression("meta", _number(1, _REGISTER) + _number(2, meta))
    match = _expression("lookup", _text(1, name) + _number(2, _REGISTER))
    return _text(1, TABLE) + _text(2, _CHAIN) + _nested(4, _nested(1, look) + _nested(1, match))


def _expression(name: str, data: bytes) -> bytes:
    return _text(1, name) + _nested(2, data)


def _elements(name: str, interfaces: Collection[str], *, counter: bool) -> bytes:
    zero = wire.attribute(1, _U64.pack(0)) + wire.attribute(2, _U64.pack(0))
    counts = _nested(7, _expression("counter", zero)) if counter else b""
    members = b"".join(
        _nested(1, _nested(1, wire.attribute(1, each.encode().ljust(_NAME_LENGTH, b"\0"))) + counts)
        for each in interfaces
    )
    return _text(1, TABLE) + _text(2, name) + _nested(3, members)


def _text(kind: int, text: str) -> bytes:
    return wire.attribute(kind, text.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return wire.attribute(kind, _U32.pack(value))


def _nested(kind: int, data: bytes) -> bytes:
    return wire.attribute(kind | _NESTED, data)
