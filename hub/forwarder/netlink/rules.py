"""Rules (linux/fib_rules.h, ip-rule(8)): packets from some addresses are looked up in a table before others."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from hub.forwarder.netlink import wire

NEW, DELETE, GET = 32, 33, 34
_SOURCE, _PRIORITY, _SUPPRESS_LENGTH, _TABLE, _PAD, _PROTOCOL = 2, 6, 14, 15, 18, 21
_UNDERSTOOD = frozenset({_SOURCE, _PRIORITY, _SUPPRESS_LENGTH, _TABLE, _PAD, _PROTOCOL})
_NOT_SUPPRESSED = 0xFFFFFFFF
_LOOK_UP = 1
_INVERTED = 0x2
_HEADER = struct.Struct("=BBBBBBBBI")
"""Family, destination length, source length, TOS, table, two that are reserved, action, flags."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A Rule looks packets from one prefix up in a table; of several, the one with the lowest priority comes first."""

    source: bytes
    length: int
    table: int
    priority: int
    protocol: int

    @property
    def family(self) -> int:
        """The address family of the packets that it is for."""
        return socket.AF_INET if len(self.source) == 4 else socket.AF_INET6


def put(rule: Rule) -> bytes:
    """Create a rule. Rules have no replacement; that there is one like it, of the same protocol, is refused."""
    return wire.message(NEW, wire.CREATE | wire.EXCLUSIVE, _body(rule, _LOOK_UP))


def delete(rule: Rule) -> bytes:
    """Delete a rule, only if it has this source, table, priority and protocol."""
    return wire.message(DELETE, 0, _body(rule, 0))


def _body(rule: Rule, action: int) -> bytes:
    body = _HEADER.pack(rule.family, 0, rule.length, 0, 0, 0, 0, action, 0)
    if rule.length:
        body += wire.attribute(_SOURCE, rule.source)
    body += wire.attribute_u32(_TABLE, rule.table) + wire.attribute_u32(_PRIORITY, rule.priority)
    return body + wire.attribute(_PROTOCOL, bytes([rule.protocol]))


def dump(family: int) -> bytes:
    """Ask for every rule of a family; the kernel selects by nothing else."""
    return wire.message(GET, wire.DUMP, _HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))


def decode(body: bytes) -> tuple[Rule, bool] | None:
    """The rule in a NEW or DELETE message, and whether its source is all that it asks of a packet before it looks the
    table up; None when it is malformed."""
    if len(body) < _HEADER.size:
        return None
    family, destination, length, tos, table, _one, _two, action, flags = _HEADER.unpack_from(body)
    found = wire.attributes(body, _HEADER.size)
    size = 4 if family == socket.AF_INET else 16
    source = found.get(_SOURCE, bytes(size))
    if family not in (socket.AF_INET, socket.AF_INET6) or len(source) != size or length > 8 * size:
        return None
    whole = wire.read_u32(found.get(_SUPPRESS_LENGTH), _NOT_SUPPRESSED) == _NOT_SUPPRESSED
    plain = (
        action == _LOOK_UP and not (destination or tos or flags & _INVERTED) and whole and found.keys() <= _UNDERSTOOD
    )
    protocol = (found.get(_PROTOCOL) or b"\0")[0]
    number = wire.read_u32(found.get(_TABLE), table)
    return Rule(source, length, number, wire.read_u32(found.get(_PRIORITY)), protocol), plain
