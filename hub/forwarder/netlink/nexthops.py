"""Nexthop objects (linux/nexthop.h, ip-nexthop(8)): a route points at one by number, and follows its changes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hub.forwarder.netlink import wire

NEW, DELETE, GET = 104, 105, 106
_ID, _GROUP, _BLACKHOLE, _OUTPUT_INTERFACE, _GATEWAY = 1, 2, 4, 5, 6
_HEADER = struct.Struct("=BBBBI")
"""Family, scope, protocol, reserved, flags."""
_ON_LINK = 0x04
"""RTNH_F_ONLINK of linux/rtnetlink.h: the gateway is there although the address by which it would be is not yet."""


@dataclass(frozen=True, slots=True)
class Nexthop:
    """A Nexthop is one nexthop object: `interface` is an index, 0 for what is no plain device (blackhole, group).

    `gateway` is the far end, "" where the interface has but one.
    """

    id: int
    interface: int
    protocol: int
    gateway: bytes = b""


def put(family: int, nexthop: Nexthop, flags: int) -> bytes:
    """Create (`CREATE | EXCLUSIVE`) or replace (`REPLACE`) a nexthop that is a device, and a gateway where it has one.

    Most tunnels are point to point, so none is needed; interface 0 makes a blackhole.
    """
    target = (
        wire.attribute_u32(_OUTPUT_INTERFACE, nexthop.interface)
        if nexthop.interface
        else wire.attribute(_BLACKHOLE, b"")
    )
    flagged = 0
    if nexthop.gateway and nexthop.interface:
        target += wire.attribute(_GATEWAY, nexthop.gateway)
        flagged = _ON_LINK
    header = _HEADER.pack(family, 0, nexthop.protocol, 0, flagged)
    return wire.message(NEW, flags, header + wire.attribute_u32(_ID, nexthop.id) + target)


def delete(nexthop_id: int) -> bytes:
    """Delete a nexthop and all routes on it. Any header field but zero is refused, the protocol too."""
    return wire.message(DELETE, 0, _HEADER.pack(0, 0, 0, 0, 0) + wire.attribute_u32(_ID, nexthop_id))


def dump() -> bytes:
    """Ask for every nexthop; the kernel cannot select them by protocol."""
    return wire.message(GET, wire.DUMP, _HEADER.pack(0, 0, 0, 0, 0))


def decode(body: bytes) -> Nexthop | None:
    """The nexthop in a NEW or DELETE message; None when it is malformed."""
    if len(body) < _HEADER.size:
        return None
    found = wire.attributes(body, _HEADER.size)
    if _ID not in found:
        return None
    plain = _GROUP not in found and _BLACKHOLE not in found
    interface = wire.read_u32(found.get(_OUTPUT_INTERFACE)) if plain else 0
    return Nexthop(wire.read_u32(found[_ID]), interface, body[2], found.get(_GATEWAY, b""))
