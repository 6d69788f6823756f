"""What the kernel should hold, what it holds, and the changes between the two. Pure: values in, netlink requests out.

Put before drop, so that a prefix that changes its class is never without a route.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from hub.forwarder.classes import ForwardingClass
from hub.forwarder.netlink import nexthops, routes, wire
from hub.forwarder.netlink.nexthops import Nexthop
from hub.forwarder.netlink.routes import Route

PROTOCOL = 112
"""Marks our routes and nexthops. Unassigned in linux/rtnetlink.h and in iproute2's rt_protos (where 12 is BIRD and 186
FRR's BGP); the letter p in ASCII."""
FIRST_NEXTHOP_ID, LAST_NEXTHOP_ID = 0x504D0000, 0x504D7FFF
"""Our range of nexthop ids ("PM" in ASCII): those of the IPv4 objects, one a class."""
IPV6_OFFSET = 0x8000
"""The IPv6 object of a class has the id of its IPv4 object and so much more: the upper half of the 65,536."""
ROUTE_METRIC = 100
UNREACHABLE_METRIC = 0xFFFFFFFF
"""The worst there is: it answers only when no other route to the prefix is left. Never 0, which IPv6 takes for 1024."""

_LENGTHS = {str(length): length for length in range(129)}

RouteKey = tuple[bytes, int, int]
"""Destination, length, metric: what tells routes of the main table apart."""
UNREACHABLE = 0
"""In place of a nexthop id."""


@dataclass(slots=True)
class KernelState:
    """A KernelState is our nexthops (id to interface index) and our routes (key to nexthop id), wanted or there."""

    nexthops: dict[int, int] = field(default_factory=dict)
    routes: dict[RouteKey, int] = field(default_factory=dict)

    def forget_nexthop(self, nexthop_id: int) -> None:
        """The kernel deleted a nexthop, and with it all its routes."""
        self.nexthops.pop(nexthop_id, None)
        for key in [key for key, nexthop in self.routes.items() if nexthop == nexthop_id]:
            del self.routes[key]


@dataclass(frozen=True, slots=True)
class Operation:
    """An Operation is one change: a nexthop (`key` is its id) or a route, put (`value`) or dropped (None)."""

    key: int | RouteKey
    value: int | None
    creates: bool = False
    was: int = 0
    """For a route that is dropped: the nexthop that it is on."""


@lru_cache(maxsize=65_536)
def destination(prefix: str) -> tuple[bytes, int]:
    """Address and length of a prefix such as `10.1.0.0/24`; four bytes or, of an IPv6 prefix, sixteen.

    Raises:
        ValueError: it is no prefix, or has bits behind its length.
    """
    address, _slash, length_text = prefix.partition("/")
    version, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    try:
        packed = socket.inet_pton(version, address)
    except (OSError, ValueError) as error:
        raise ValueError(f"{prefix[:50]!r} is not a prefix: write it as 10.1.0.0/24") from error
    length = _LENGTHS.get(length_text, bits + 1)
    if length > bits:
        raise ValueError(f"{prefix[:50]!r} is not a prefix: write it as 10.1.0.0/24")
    if int.from_bytes(packed, "big") & ((1 << (bits - length)) - 1):
        raise ValueError(f'"{prefix}" has bits set behind its length of {length}')
    return packed, length


def family(network: bytes) -> int:
    """The address family of an address of four or sixteen bytes."""
    return socket.AF_INET if len(network) == 4 else socket.AF_INET6


def family_of_id(nexthop_id: int) -> int:
    """The address family of a nexthop of our range."""
    return socket.AF_INET if nexthop_id <= LAST_NEXTHOP_ID else socket.AF_INET6


def in_range(nexthop_id: int) -> bool:
    """Whether a nexthop id is of the range that we use, for either IP version."""
    return FIRST_NEXTHOP_ID <= nexthop_id <= LAST_NEXTHOP_ID + IPV6_OFFSET


def pair_of(nexthop_id: int) -> int:
    """The number of the pair that a nexthop of our range belongs to: the id of its IPv4 object."""
    return nexthop_id if nexthop_id <= LAST_NEXTHOP_ID else nexthop_id - IPV6_OFFSET


def nexthop_ids(pair: int, prefixes: Iterable[str]) -> tuple[int, ...]:
    """The nexthops that a class with these prefixes needs: one for each IP version that it has prefixes of."""
    versions = {":" in prefix for prefix in prefixes}
    return tuple(number for six, number in ((False, pair), (True, pair + IPV6_OFFSET)) if six in versions)


def prefix_text(key: RouteKey) -> str:
    """The prefix of a route, as people write it."""
    return f"{socket.inet_ntop(family(key[0]), key[0])}/{key[1]}"


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made of some prefixes: the nexthops that they need and their routes."""

    prefixes: tuple[str, ...]
    pair: int
    nexthops: tuple[int, ...]
    routes: dict[RouteKey, int]


class Wanted:
    """A Wanted makes of classes what the kernel should hold, and remembers what it made of each for the next time."""

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}

    def __call__(
        self,
        classes: Iterable[ForwardingClass],
        ids: Mapping[str, int],
        interface_of: Callable[[str], int],
        unreachable: tuple[str, ...],
    ) -> KernelState:
        """A class whose active tunnel has no usable interface (0) gets no routes: the unreachable ones answer then."""
        state, before, self._made = KernelState(), self._made, {}
        state.routes.update(self._make(before.get(""), "", unreachable, UNREACHABLE).routes)
        for each in classes:
            made = self._make(before.get(each.name), each.name, each.prefixes, ids[each.name])
            interface = interface_of(each.active) if each.active else 0
            if interface:
                state.nexthops.update(dict.fromkeys(made.nexthops, interface))
                state.routes.update(made.routes)
        return state

    def _make(self, made: _Made | None, name: str, prefixes: tuple[str, ...], pair: int) -> _Made:
        if made is None or made.prefixes is not prefixes or made.pair != pair:
            made = _Made(prefixes, pair, nexthop_ids(pair, prefixes), routes_of(prefixes, pair))
        self._made[name] = made
        return made


def routes_of(prefixes: Iterable[str], pair: int) -> dict[RouteKey, int]:
    """The routes of a class with this pair of nexthops; unreachable ones for the pair `UNREACHABLE`."""
    if pair == UNREACHABLE:
        return {(*destination(prefix), UNREACHABLE_METRIC): UNREACHABLE for prefix in prefixes}
    networks = [destination(prefix) for prefix in prefixes]
    six = pair + IPV6_OFFSET
    return {(network, length, ROUTE_METRIC): pair if len(network) == 4 else six for network, length in networks}


@dataclass(slots=True)
class Plan:
    """A Plan is the keys of what must be put and then dropped, in order; operations are made of them slice by slice."""

    want: KernelState
    puts: list[int | RouteKey]
    drops: list[int | RouteKey]

    def __bool__(self) -> bool:
        return bool(self.puts or self.drops)

    def take(self, have: KernelState, size: int) -> list[Operation]:
        """The next operations, at most so many."""
        keys, self.puts = self.puts[:size], self.puts[size:]
        if keys:
            return [self._put(key, have) for key in keys]
        keys, self.drops = self.drops[:size], self.drops[size:]
        return [Operation(key, None, was=0 if isinstance(key, int) else have.routes.get(key, 0)) for key in keys]

    def _put(self, key: int | RouteKey, have: KernelState) -> Operation:
        if isinstance(key, int):
            return Operation(key, self.want.nexthops[key], creates=key not in have.nexthops)
        return Operation(key, self.want.routes[key], creates=key not in have.routes)


def plan(want: KernelState, have: KernelState, blocked: Collection[RouteKey], *, sweep: bool) -> Plan:
    """The changes from `have` to `want`, in the order in which they must be made.

    `blocked` routes are in the way of somebody else's and left alone. Nothing is dropped unless `sweep`: before the
    first whole order after a start we don't know what is superfluous.
    """
    puts: list[int | RouteKey] = [
        number for number, interface in want.nexthops.items() if have.nexthops.get(number) != interface
    ]
    drops: list[int | RouteKey] = []
    if want.routes != have.routes:
        there = have.routes.get
        puts += [key for key, nexthop in want.routes.items() if there(key) != nexthop and key not in blocked]
        if sweep:
            drops += [key for key in have.routes if key not in want.routes]
    if sweep:
        drops += [number for number in have.nexthops if number not in want.nexthops]
    return Plan(want, puts, drops)


def request(operation: Operation) -> bytes:
    """The netlink message of an operation: only what is known to be ours is ever replaced.

    Of routes with one destination and metric IPv6 can hold several, and replaces the first, whoever's it is; so a
    route of ours beside somebody else's must be `blocked` in the plan.
    """
    flags = wire.CREATE | wire.EXCLUSIVE if operation.creates else wire.REPLACE
    key, value = operation.key, operation.value
    if isinstance(key, int):
        if value is None:
            return nexthops.delete(key)
        return nexthops.put(family_of_id(key), Nexthop(key, value, PROTOCOL), flags)
    if value is None:
        return routes.delete(family(key[0]), Route(*key, operation.was, PROTOCOL))
    return routes.put(family(key[0]), Route(*key, value, PROTOCOL), flags)


def done(operation: Operation, have: KernelState) -> None:
    """Note in `have` that the kernel carried out an operation."""
    key, value = operation.key, operation.value
    if isinstance(key, int):
        if value is None:
            have.nexthops.pop(key, None)
        else:
            have.nexthops[key] = value
    elif value is None:
        have.routes.pop(key, None)
    else:
        have.routes[key] = value


def free_id(prefixes: Iterable[str], ids: Iterable[int], have: KernelState, foreign: Iterable[int]) -> int:
    """The pair of nexthop ids for a class that has none: the one that its prefixes are on in the kernel, else the
    lowest that is free in both halves.

    Raises:
        LookupError: every id of our range is in use.
    """
    taken = {*ids, *map(pair_of, foreign)}
    for prefix in prefixes:
        present = have.routes.get((*destination(prefix), ROUTE_METRIC), UNREACHABLE)
        if present in have.nexthops and pair_of(present) not in taken:
            return pair_of(present)
    taken.update(map(pair_of, have.nexthops))
    for number in range(FIRST_NEXTHOP_ID, LAST_NEXTHOP_ID + 1):
        if number not in taken:
            return number
    raise LookupError("every nexthop id of our range is in use: remove classes")
