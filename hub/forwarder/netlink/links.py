"""Links and their addresses (rtnetlink(7)), decoded as far as the forwarder needs them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hub.forwarder.netlink import wire

NEW_LINK, DELETE_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
_NAME, _LOCAL, _ADDRESS, _FLAGS = 3, 2, 1, 8
_TENTATIVE, _OPTIMISTIC, _FAILED, _DEPRECATED, _PERMANENT = 0x40, 0x04, 0x08, 0x20, 0x80
"""linux/if_addr.h; an address is tentative while its interface asks whether somebody else has it (RFC 4862)."""
_UP, _POINT_TO_POINT, _NO_ARP, _LOWER_UP = 0x1, 0x10, 0x80, 0x10000
_LINK_HEADER = struct.Struct("=BxHiII")
"""Family, type, index, flags, changed."""
_ADDRESS_HEADER = struct.Struct("=BBBBI")
"""Family, prefix length, flags, scope, index of the interface."""


@dataclass(frozen=True, slots=True)
class Link:
    """A Link is one interface; `up` when it is set up and its lower layer is there, so that it can carry routes.

    `resolves` when it asks for the hardware address of whom it sends to, as Ethernet and VXLAN do.
    """

    index: int
    name: str
    up: bool
    resolves: bool = False


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """A LocalAddress is an address of this machine and the index of the interface that has it.

    `usable` when packets may come from it, `lasting` when it neither expires nor is on its way out.
    """

    interface: int
    address: bytes
    usable: bool = True
    lasting: bool = True


def dump_links() -> bytes:
    """Ask for every interface."""
    return wire.message(GET_LINK, wire.DUMP, _LINK_HEADER.pack(0, 0, 0, 0, 0))


def dump_addresses(family: int = 0) -> bytes:
    """Ask for every address of a family, or of all (0)."""
    return wire.message(GET_ADDRESS, wire.DUMP, _ADDRESS_HEADER.pack(family, 0, 0, 0, 0))


def decode_link(body: bytes) -> Link | None:
    """The interface in a message about links; None when it is malformed."""
    if len(body) < _LINK_HEADER.size:
        return None
    family, _type, index, flags, _changed = _LINK_HEADER.unpack_from(body)
    name = wire.read_text(wire.attributes(body, _LINK_HEADER.size).get(_NAME))
    if family != 0 or not name:
        return None
    resolves = not flags & (_NO_ARP | _POINT_TO_POINT)
    return Link(index, name, bool(flags & _UP and flags & _LOWER_UP), resolves)


def decode_address(body: bytes) -> LocalAddress | None:
    """The address in a message about addresses; None when it is malformed."""
    if len(body) < _ADDRESS_HEADER.size:
        return None
    found = wire.attributes(body, _ADDRESS_HEADER.size)
    address = found.get(_LOCAL) or found.get(_ADDRESS)
    if not address:
        return None
    _family, _length, flags, _scope, interface = _ADDRESS_HEADER.unpack_from(body)
    flags = wire.read_u32(found.get(_FLAGS), flags)
    usable = not flags & _FAILED and (not flags & _TENTATIVE or bool(flags & _OPTIMISTIC))
    return LocalAddress(interface, address, usable, bool(flags & _PERMANENT) and not flags & _DEPRECATED)
