"""What the kernel should hold, what it holds, and the changes between the two. Pure: values in, netlink requests out.

Put before drop, so that a prefix that changes its class is never without a route.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, takewhile

from hub.forwarder.classes import ForwardingClass
from hub.forwarder.netlink import nexthops, routes, rules, wire
from hub.forwarder.netlink.nexthops import Nexthop
from hub.forwarder.netlink.routes import MAIN_TABLE, Route
from hub.forwarder.netlink.rules import Rule
from hub.forwarder.steps import Steps, at_once, pieces

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

PREFIXES_A_STEP, KEYS_A_STEP = 250, 2000
"""What is worked through in less than 1 ms: prefixes as texts, and keys of routes."""
LOOKED_AT = 1000
"""Prefixes of a class for which the kernel is searched."""

_LENGTHS = {str(length): length for length in range(129)}

RouteKey = tuple[bytes, int, int] | tuple[bytes, int, int, int]
"""Destination, length, metric: what tells routes of the main table apart; of another table its number comes fourth."""
Key = int | RouteKey | Rule
"""What is put or dropped: a nexthop (its id), a route or a rule."""
Tables = tuple[tuple[int, int], ...] | None
"""The tables of a class with sources: the bytes of an address of the source's IP version, and the table's number. None
of a class for packets from everywhere: the main table."""
UNREACHABLE = 0
"""In place of a nexthop id."""


@dataclass(slots=True)
class KernelState:
    """A KernelState is our nexthops (id to interface index), our routes (key to nexthop id) and our rules, wanted or
    there."""

    nexthops: dict[int, int] = field(default_factory=dict)
    routes: dict[RouteKey, int] = field(default_factory=dict)
    rules: set[Rule] = field(default_factory=set)

    def forget_nexthop(self, nexthop_id: int) -> None:
        """The kernel deleted a nexthop, and with it all its routes."""
        self.nexthops.pop(nexthop_id, None)
        for key in [key for key, nexthop in self.routes.items() if nexthop == nexthop_id]:
            del self.routes[key]


@dataclass(frozen=True, slots=True)
class Operation:
    """An Operation is one change: a nexthop (`key` is its id), a route or a rule, put (`value`) or dropped (None)."""

    key: Key
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


def table_of(key: RouteKey) -> int:
    """The table that a route is in."""
    return key[3] if len(key) == 4 else MAIN_TABLE


def prefix_text(key: RouteKey) -> str:
    """The prefix of a route, as people write it."""
    return f"{socket.inet_ntop(family(key[0]), key[0])}/{key[1]}"


@dataclass(frozen=True, slots=True)
class _Made:
    """A _Made is what was made of some prefixes: the nexthops that they need and their routes."""

    prefixes: tuple[str, ...]
    pair: int
    tables: Tables
    nexthops: tuple[int, ...]
    routes: dict[RouteKey, int]

    def is_of(self, prefixes: tuple[str, ...], pair: int, tables: Tables) -> bool:
        """Whether it was made of these."""
        return self.prefixes is prefixes and self.pair == pair and self.tables == tables


class Wanted:
    """A Wanted makes of classes what the kernel should hold, and remembers what it made of each for the next time.

    While prefixes and ids stay the same, so does the very table of routes that it returns.
    """

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}
        self._merged: dict[str, _Made] = {}
        self._numbers: dict[str, tuple[tuple[str, ...], int, tuple[int, ...]]] = {}
        self.routes: dict[RouteKey, int] = {}

    def __call__(
        self,
        classes: Iterable[ForwardingClass],
        ids: Mapping[str, int],
        interface_of: Callable[[str], int],
        unreachable: tuple[str, ...],
        tables_of: Callable[[ForwardingClass], Tables] = lambda _each: None,
    ) -> Steps[KernelState]:
        """A class whose active tunnel has no usable interface (0) gets no routes: the unreachable ones answer then."""
        parts = {"": (yield from self._make("", unreachable, UNREACHABLE, None))}
        present, nexthops_there = {""}, {}
        for each in classes:
            present.add(each.name)
            one = yield from self._make(each.name, each.prefixes, ids[each.name], tables_of(each))
            interface = interface_of(each.active) if each.active else 0
            if interface:
                nexthops_there.update(dict.fromkeys(one.nexthops, interface))
                parts[each.name] = one
            yield
        if len(parts) != len(self._merged) or any(self._merged.get(name) is not part for name, part in parts.items()):
            merged: dict[RouteKey, int] = {}
            for part in parts.values():
                for piece in pieces(part.routes.items(), KEYS_A_STEP):
                    merged.update(piece)
                    yield
            self.routes, self._merged = merged, parts
        self._made = {name: made for name, made in self._made.items() if name in present}
        self._numbers.clear()
        return KernelState(nexthops_there, self.routes)

    def nexthops(self, each: ForwardingClass, pair: int) -> tuple[int, ...]:
        """The nexthops of a class, without a look at every prefix if they are the same as the last time."""
        made = self._made.get(each.name)
        if made is not None and made.is_of(each.prefixes, pair, made.tables):
            return made.nexthops
        known = self._numbers.get(each.name)
        if known is None or known[0] is not each.prefixes or known[1] != pair:
            self._numbers[each.name] = known = (each.prefixes, pair, nexthop_ids(pair, each.prefixes))
        return known[2]

    def made(self, each: ForwardingClass, pair: int, tables: Tables = None) -> _Made | None:
        """What was made of the class as it is now; None when it is another."""
        made = self._made.get(each.name)
        return made if made is not None and made.is_of(each.prefixes, pair, tables) else None

    def includes(self, made: _Made, name: str) -> bool:
        """Whether `routes` has the routes of this class as they were made last."""
        return self._merged.get(name) is made

    def _make(self, name: str, prefixes: tuple[str, ...], pair: int, tables: Tables) -> Steps[_Made]:
        made = self._made.get(name)
        if made is not None and made.is_of(prefixes, pair, tables):
            return made
        routes: dict[RouteKey, int] = {}
        for piece in pieces(prefixes, PREFIXES_A_STEP):
            routes.update(routes_of(piece, pair, tables))
            yield
        self._made[name] = made = _Made(prefixes, pair, tables, nexthop_ids(pair, prefixes), routes)
        return made


def routes_of(prefixes: Iterable[str], pair: int, tables: Tables = None) -> dict[RouteKey, int]:
    """The routes of a class with this pair of nexthops; unreachable ones for the pair `UNREACHABLE`.

    A prefix is in the tables of the sources of its own IP version.
    """
    if pair == UNREACHABLE:
        return {(*destination(prefix), UNREACHABLE_METRIC): UNREACHABLE for prefix in prefixes}
    networks = [destination(prefix) for prefix in prefixes]
    six = pair + IPV6_OFFSET
    if tables is None:
        return {(network, length, ROUTE_METRIC): pair if len(network) == 4 else six for network, length in networks}
    return {
        (network, length, ROUTE_METRIC, table): pair if size == 4 else six
        for size, table in tables
        for network, length in networks
        if len(network) == size
    }


@dataclass(slots=True)
class Plan:
    """A Plan is the keys of what must be put and then dropped, in order; operations are made of them slice by slice."""

    want: KernelState
    puts: list[Key]
    drops: list[Key]
    at: int = 0
    """How many of both together are done."""

    def __bool__(self) -> bool:
        return self.at < len(self.puts) + len(self.drops)

    def take(self, have: KernelState, size: int) -> list[Operation]:
        """The next operations, at most so many: puts, or drops. Rules are alone: the kernel carries out all that it is
        sent together, and what comes after a failure must not have been sent."""
        keys = _alike(self.puts[self.at : self.at + size])
        if keys:
            self.at += len(keys)
            return [self._put(key, have) for key in keys]
        start = self.at - len(self.puts)
        keys = _alike(self.drops[start : start + size])
        self.at += len(keys)
        return [Operation(key, None, was=have.routes.get(key, 0) if isinstance(key, tuple) else 0) for key in keys]

    def _put(self, key: Key, have: KernelState) -> Operation:
        if isinstance(key, Rule):
            return Operation(key, key.table, creates=True)
        if isinstance(key, int):
            return Operation(key, self.want.nexthops[key], creates=key not in have.nexthops)
        return Operation(key, self.want.routes[key], creates=key not in have.routes)


def _alike(keys: list[Key]) -> list[Key]:
    """The first of them, as far as they are all rules, or none is."""
    if not keys or isinstance(keys[0], Rule) == isinstance(keys[-1], Rule):
        return keys
    first = isinstance(keys[0], Rule)
    return list(takewhile(lambda key: isinstance(key, Rule) == first, keys))


def plan(want: KernelState, have: KernelState, blocked: Collection[Key], *, sweep: bool) -> Plan:
    """The changes from `have` to `want`, in the order in which they must be made; see `planning`."""
    return at_once(planning(want, have, blocked, sweep=sweep))


def planning(
    want: KernelState, have: KernelState, blocked: Collection[Key], *, sweep: bool, routes_too: bool = True
) -> Steps[Plan]:
    """The changes from `have` to `want`, in the order in which they must be made.

    A rule comes after all routes and goes before them, so that no packet meets half a table. `blocked` routes and rules
    are in the way of somebody else's and left alone. Nothing is dropped unless `sweep`: before the
    first whole order after a start we don't know what is superfluous. Without `routes_too` the routes are known to be
    as they should. Neither state may change between the steps.
    """
    puts: list[Key] = [number for number, interface in want.nexthops.items() if have.nexthops.get(number) != interface]
    drops: list[Key] = [*(have.rules - want.rules)] if sweep else []
    if routes_too:
        there = have.routes.get
        for piece in pieces(want.routes.items(), KEYS_A_STEP):
            puts += [key for key, nexthop in piece if there(key) != nexthop and key not in blocked]
            yield
        for keys in pieces(have.routes, KEYS_A_STEP) if sweep else ():
            drops += [key for key in keys if key not in want.routes]
            yield
    puts += [rule for rule in want.rules - have.rules if rule not in blocked]
    if sweep:
        drops += [number for number in have.nexthops if number not in want.nexthops]
    return Plan(want, puts, drops)


def same_routes(some: dict[RouteKey, int], others: dict[RouteKey, int]) -> Steps[bool]:
    """Whether two tables are equal; neither may change between the steps, unless the answer is not used."""
    if len(some) != len(others):
        return False
    for piece in pieces(some.items(), KEYS_A_STEP):
        if any(others.get(key) != nexthop for key, nexthop in piece):
            return False
        yield
    return True


Gateways = Callable[[int, int], bytes]
"""The far end of an interface (its index) in an address family; empty where it has but one, or none is known."""


def no_gateways(_interface: int, _family: int) -> bytes:
    """Where every tunnel is point to point."""
    return b""


def request(operation: Operation, gateway_of: Gateways = no_gateways) -> bytes:
    """The netlink message of an operation: only what is known to be ours is ever replaced.

    Of routes with one destination and metric IPv6 can hold several, and replaces the first, whoever's it is; so a
    route of ours beside somebody else's must be `blocked` in the plan.
    """
    flags = wire.CREATE | wire.EXCLUSIVE if operation.creates else wire.REPLACE
    key, value = operation.key, operation.value
    if isinstance(key, Rule):
        return rules.delete(key) if value is None else rules.put(key)
    if isinstance(key, int):
        if value is None:
            return nexthops.delete(key)
        version = family_of_id(key)
        return nexthops.put(version, Nexthop(key, value, PROTOCOL, gateway_of(value, version)), flags)
    if value is None:
        return routes.delete(family(key[0]), Route(*key[:3], operation.was, PROTOCOL, table_of(key)))
    return routes.put(family(key[0]), Route(*key[:3], value, PROTOCOL, table_of(key)), flags)


def done(operation: Operation, have: KernelState) -> None:
    """Note in `have` that the kernel carried out an operation."""
    key, value = operation.key, operation.value
    if isinstance(key, Rule):
        (have.rules.discard if value is None else have.rules.add)(key)
    elif isinstance(key, int):
        if value is None:
            have.nexthops.pop(key, None)
        else:
            have.nexthops[key] = value
    elif value is None:
        have.routes.pop(key, None)
    else:
        have.routes[key] = value


def free_id(
    prefixes: Iterable[str], ids: Iterable[int], have: KernelState, foreign: Iterable[int], tables: Tables = None
) -> int:
    """The pair of nexthop ids for a class that has none: the one that its first prefixes are on in the kernel, else the
    lowest that is free in both halves.

    Raises:
        LookupError: every id of our range is in use.
    """
    taken = {*ids, *map(pair_of, foreign)}
    for prefix in islice(prefixes, LOOKED_AT) if have.routes else ():
        for key in routes_of((prefix,), FIRST_NEXTHOP_ID, tables):
            present = have.routes.get(key, UNREACHABLE)
            if present in have.nexthops and pair_of(present) not in taken:
                return pair_of(present)
    taken.update(map(pair_of, have.nexthops))
    for number in range(FIRST_NEXTHOP_ID, LAST_NEXTHOP_ID + 1):
        if number not in taken:
            return number
    raise LookupError("every nexthop id of our range is in use: remove classes")
