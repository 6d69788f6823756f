"""Interfaces, addresses, routes and rules, by netlink (rtnetlink(7), linux/fib_rules.h)."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from hub.doctor.facts import Address, Interface, Route, Rule, Unseen
from hub.forwarder.netlink import links, routes, wire
from hub.forwarder.netlink.sockets import DumpInterruptedError, Requests
from policies.model.ids import Prefix

PATIENCE_SECONDS = 1.0
"""A hub with the whole internet's routes has more than can be read by the way."""
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 6}
_LINK_HEADER = struct.Struct("=BxHiII")
_UP, _NO_ARP, _LOWER_UP, _POINT_TO_POINT = 0x1, 0x80, 0x10000, 0x10
_NAME, _MTU, _LINK_INFO, _INFO_KIND = 3, 4, 18, 1

_ROUTE_HEADER = struct.Struct("=BBBBBBBBI")
_DESTINATION, _OUTPUT_INTERFACE, _PRIORITY, _TABLE = 1, 4, 6, 15
_CLONED = 0x200
_LOCAL_TABLE = 255
_THAT_FORWARD_OR_REFUSE = frozenset({1, 6, 7, 8})
"""RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT."""

GET_RULE = 34
_RULE_HEADER = struct.Struct("=BBBBBBBBI")
"""Family, destination and source lengths, TOS, table, two reserved, action, flags."""
_RULE_SELECTORS = {3: "iif", 10: "fwmark", 17: "oif", 20: "uidrange", 22: "ipproto"}
_RULE_MARK = 10
_RULE_PRIORITY, _RULE_SUPPRESS, _RULE_TABLE, _RULE_VRF, _RULE_PROTOCOL = 6, 14, 15, 19, 21
_LOOK_UP, _FIRST_REFUSAL = 1, 6
_INVERTED = 0x2
_NOTHING = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Picture:
    """A Picture is the network of this namespace at one time."""

    interfaces: tuple[Interface, ...]
    addresses: tuple[tuple[str, Address], ...]
    routes: tuple[Route, ...] | Unseen
    """Unseen when reading them would take too long."""
    rules: tuple[Rule, ...]


def read(kernel: Requests) -> Picture:
    """Everything.

    Raises:
        OSError: the kernel refused.
    """
    interfaces = tuple(each for body in _bodies(kernel, links.dump_links()) if (each := decode_interface(body)))
    names = {each.index: each.name for each in interfaces}
    addresses = tuple(each for family in _FAMILIES for each in _addresses(kernel, family, names))
    rules = tuple(each for family in _FAMILIES for each in _rules(kernel, family))
    # The routes come last: a dump that is broken off leaves its answers on the socket.
    return Picture(interfaces, addresses, _all_routes(kernel, names), rules)


def _bodies(kernel: Requests, request: bytes) -> Iterator[bytes]:
    for _kind, body in kernel.whole(request):
        yield body


def decode_interface(body: bytes) -> Interface | None:
    """The interface in a message about links; None when it is malformed."""
    if len(body) < _LINK_HEADER.size:
        return None
    family, _type, index, flags, _changed = _LINK_HEADER.unpack_from(body)
    found = wire.attributes(body, _LINK_HEADER.size)
    name = wire.read_text(found.get(_NAME))
    if family != 0 or not name:
        return None
    kind = wire.read_text(wire.attributes(found.get(_LINK_INFO, b"")).get(_INFO_KIND))
    return Interface(
        name=name,
        index=index,
        up=bool(flags & _UP and flags & _LOWER_UP),
        mtu=wire.read_u32(found.get(_MTU)),
        kind=kind,
        resolves=not flags & (_NO_ARP | _POINT_TO_POINT),
    )


def _addresses(kernel: Requests, family: int, names: dict[int, str]) -> Iterator[tuple[str, Address]]:
    for body in _bodies(kernel, links.dump_addresses(family)):
        found = links.decode_address(body)
        if found is not None and len(found.address) in (4, 16):
            yield names.get(found.interface, str(found.interface)), ipaddress.ip_address(found.address)


def _all_routes(kernel: Requests, names: dict[int, str]) -> tuple[Route, ...] | Unseen:
    end = time.monotonic() + PATIENCE_SECONDS
    found: list[Route] = []
    try:
        for family in _FAMILIES:
            found += _routes(kernel, family, names, end)
    except TimeoutError:
        return Unseen(f"there are too many to read them in {PATIENCE_SECONDS:g} s")
    return tuple(found)


def _routes(kernel: Requests, family: int, names: dict[int, str], end: float) -> Iterator[Route]:
    with suppress(DumpInterruptedError):  # others changed some meanwhile; for what is said here that does not matter
        for piece in kernel.dump(routes.dump(family, table=0)):
            if time.monotonic() > end:
                raise TimeoutError
            for kind, body in piece:
                if kind == routes.NEW and (route := decode_route(body, names)) is not None:
                    yield route


def decode_route(body: bytes, names: dict[int, str]) -> Route | None:
    """The route in a message about routes, with the name of its interface; None for those of no interest here."""
    if len(body) < _ROUTE_HEADER.size:
        return None
    family, length, _source, _tos, table, protocol, _scope, kind, flags = _ROUTE_HEADER.unpack_from(body)
    if flags & _CLONED or kind not in _THAT_FORWARD_OR_REFUSE or family not in _FAMILIES:
        return None
    found = wire.attributes(body, _ROUTE_HEADER.size)
    table = wire.read_u32(found.get(_TABLE), table)
    if table == _LOCAL_TABLE:
        return None
    address = found.get(_DESTINATION, bytes(4 if family == socket.AF_INET else 16))
    prefix = _prefix(address, length)
    if prefix is None:
        return None
    index = wire.read_u32(found.get(_OUTPUT_INTERFACE))
    return Route(
        prefix=prefix,
        metric=wire.read_u32(found.get(_PRIORITY)),
        protocol=protocol,
        table=table,
        interface=names.get(index, ""),
    )


def _rules(kernel: Requests, family: int) -> Iterator[Rule]:
    request = wire.message(GET_RULE, wire.DUMP, _RULE_HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))
    for body in _bodies(kernel, request):
        rule = decode_rule(body)
        if rule is not None:
            yield rule


def decode_rule(body: bytes) -> Rule | None:
    """The rule in a message about rules; None when it neither looks a table up nor drops, or is for packets of VRFs."""
    if len(body) < _RULE_HEADER.size:
        return None
    family, to_length, from_length, tos, table, _one, _two, action, flags = _RULE_HEADER.unpack_from(body)
    found = wire.attributes(body, _RULE_HEADER.size)
    if (
        family not in _FAMILIES
        or any(found.get(_RULE_VRF, b""))
        or not (action == _LOOK_UP or action >= _FIRST_REFUSAL)
    ):
        return None
    destination, source = _prefix(found.get(1), to_length), _prefix(found.get(2), from_length)
    selectors = [*_ends(source, destination), *(_selector(kind, data) for kind, data in sorted(found.items()))]
    selector = " ".join([*(["not"] if flags & _INVERTED else []), *filter(None, selectors), *(["tos"] if tos else [])])
    suppress = wire.read_u32(found.get(_RULE_SUPPRESS), _NOTHING)
    return Rule(
        version=_FAMILIES[family],
        priority=wire.read_u32(found.get(_RULE_PRIORITY)),
        table=wire.read_u32(found.get(_RULE_TABLE), table) if action == _LOOK_UP else 0,
        selector=selector,
        protocol=(found.get(_RULE_PROTOCOL) or b"\0")[0],
        suppress=-1 if suppress == _NOTHING else suppress,
        source=source,
        destination=destination,
        marked=_RULE_MARK in found and not flags & _INVERTED,
    )


def _prefix(address: bytes | None, length: int) -> Prefix | None:
    if address is None or len(address) not in (4, 16) or length > 8 * len(address):
        return None
    return ipaddress.ip_network((address, length), strict=False)


def _ends(source: Prefix | None, destination: Prefix | None) -> list[str]:
    return [f"{word} {prefix}" for word, prefix in (("from", source), ("to", destination)) if prefix is not None]


def _selector(kind: int, data: bytes) -> str:
    word = _RULE_SELECTORS.get(kind)
    if word is None:
        return ""
    if word in ("iif", "oif"):
        return f"{word} {wire.read_text(data)}"
    return f"{word} {wire.read_u32(data):#x}" if word == "fwmark" else word
