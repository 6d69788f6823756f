"""Routes (rtnetlink(7), linux/rtnetlink.h): to a nexthop object, or unreachable."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from hub.forwarder.netlink import wire

NEW, DELETE, GET = 24, 25, 26
MAIN_TABLE = 254
UNICAST, UNREACHABLE = 1, 7
_DESTINATION, _OUTPUT_INTERFACE, _PRIORITY, _TABLE, _NEXTHOP = 1, 4, 6, 15, 30
_HEADER = struct.Struct("=BBBBBBBBI")
"""Family, destination length, source length, TOS, table, protocol, scope, type, flags."""
_CLONED = 0x200


@dataclass(frozen=True, slots=True)
class Route:
    """A Route is one route of one table: `nexthop` is the number of its nexthop object, 0 for none.

    The kernel tells routes of a table apart by destination, TOS and metric; TOS is always 0 here.
    """

    destination: bytes
    length: int
    metric: int
    nexthop: int
    protocol: int
    table: int = MAIN_TABLE


def put(family: int, route: Route, flags: int) -> bytes:
    """Create (`CREATE | EXCLUSIVE`) or replace (`REPLACE`) a route; without a nexthop it is an unreachable one."""
    return wire.message(NEW, flags, _body(family, route))


def delete(family: int, route: Route) -> bytes:
    """Delete a route, only if it has this metric, protocol and nexthop."""
    return wire.message(DELETE, 0, _body(family, route))


def _body(family: int, route: Route) -> bytes:
    kind = UNICAST if route.nexthop else UNREACHABLE
    table = route.table if route.table < 256 else 0
    body = _HEADER.pack(family, route.length, 0, 0, table, route.protocol, 0, kind, 0)
    body += wire.attribute(_DESTINATION, route.destination)
    if route.nexthop:
        body += wire.attribute_u32(_NEXTHOP, route.nexthop)
    body += wire.attribute_u32(_PRIORITY, route.metric)
    return body + wire.attribute_u32(_TABLE, route.table) if route.table >= 256 else body


def dump(family: int, protocol: int = 0, table: int = MAIN_TABLE) -> bytes:
    """Ask for the routes of a table, of one protocol or (0) of all; needs a socket with strict checking."""
    header = _HEADER.pack(family, 0, 0, 0, table if table < 256 else 0, protocol, 0, 0, 0)
    return wire.message(GET, wire.DUMP, header + (wire.attribute_u32(_TABLE, table) if table >= 256 else b""))


def decode(body: bytes) -> Route | None:
    """The route in a NEW or DELETE message; None when it is malformed or a cache entry."""
    if len(body) < _HEADER.size:
        return None
    family, length, _source, _tos, table, protocol, _scope, _kind, flags = _HEADER.unpack_from(body)
    if flags & _CLONED:
        return None
    found = wire.attributes(body, _HEADER.size)
    size = 4 if family == socket.AF_INET else 16
    destination = found.get(_DESTINATION, bytes(size))
    if len(destination) != size or length > 8 * size:
        return None
    return Route(
        destination=destination,
        length=length,
        metric=wire.read_u32(found.get(_PRIORITY)),
        nexthop=wire.read_u32(found.get(_NEXTHOP)),
        protocol=protocol,
        table=wire.read_u32(found.get(_TABLE), table),
    )
