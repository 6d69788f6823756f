"""One reading of the kernel's nexthops, routes and rules: what is ours, and what of others could be in our way."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from hub.forwarder import fib_plan, fib_sources
from hub.forwarder.fib_plan import Gateways, KernelState, RouteKey
from hub.forwarder.netlink import nexthops, routes, rules
from hub.forwarder.netlink.nexthops import Nexthop
from hub.forwarder.netlink.routes import MAIN_TABLE, Route
from hub.forwarder.netlink.rules import Rule
from hub.forwarder.netlink.sockets import DumpError
from hub.source_priorities import FIRST_PRIORITY, LAST_PRIORITY

PIECE = 16_384
"""Bytes of a dump in one step: some 250 routes, and as many as one of these messages can ever need."""


TABLES_A_STEP = 32
"""Of which most are not there."""
MOST_FOREIGN_RULES = 100
"""That are remembered: each one is compared with all of ours."""
_NOT_SUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EAFNOSUPPORT})
"""A kernel without IPv6, or without rules."""


@dataclass(slots=True)
class Strangers:
    """A Strangers is the routes of others in a table of our range: the first of them, its protocol and their number."""

    first: RouteKey
    protocol: int
    count: int = 0


class Dumps(Protocol):
    """What a reading needs of a netlink socket; see `hub.forwarder.netlink.sockets.Requests`."""

    def dump(self, request: bytes, piece: int = ..., /) -> Iterator[list[tuple[int, bytes]]]:
        """The answer to a dump, in pieces."""
        ...


@dataclass(slots=True)
class Reading:
    """A Reading is what was found: ours, the routes of others (by protocol), the ids that others took.

    `foreign_rules` are those of others among the priorities of ours, and `strangers` the routes of others in the tables
    that were read. `tables` have something of ours.
    """

    ours: KernelState = field(default_factory=KernelState)
    foreign: dict[RouteKey, int] = field(default_factory=dict)
    foreign_ids: set[int] = field(default_factory=set)
    foreign_rules: list[Rule] = field(default_factory=list)
    strangers: dict[int, Strangers] = field(default_factory=dict)
    tables: set[int] = field(default_factory=set)
    _looked_up: set[int] = field(default_factory=set)
    _gateways: dict[int, bytes] = field(default_factory=dict)

    @property
    def foreign_tables(self) -> set[int]:
        """The tables of our range that others use, and we do not."""
        return (self._looked_up | self.strangers.keys()) - self.tables

    def fill(self, kernel: Dumps, tables: Iterable[int] = ()) -> Iterator[None]:
        """Read all, one datagram a step; of tables beside the main one these, and those of the rules.

        Raises:
            DumpInterruptedError: somebody changed the table meanwhile.
            DumpError: the kernel has no nexthop objects, or refuses.
        """
        for piece in kernel.dump(nexthops.dump(), PIECE):
            for kind, body in piece:
                if kind == nexthops.NEW:
                    self._nexthop(body)
            yield
        for family in (socket.AF_INET, socket.AF_INET6):
            yield from self._rules(kernel, family)
        yield from self._routes(kernel, socket.AF_INET)
        yield from self._routes(kernel, socket.AF_INET6, _NOT_SUPPORTED)
        for count, table in enumerate(sorted({*tables, *self.tables, *self._looked_up}), 1):
            for family in (socket.AF_INET, socket.AF_INET6):
                for _piece in self._routes(kernel, family, _NOT_SUPPORTED | {errno.ENOENT}, table):
                    yield
            if count % TABLES_A_STEP == 0:
                yield

    def _rules(self, kernel: Dumps, family: int) -> Iterator[None]:
        try:
            for piece in kernel.dump(rules.dump(family), PIECE):
                for kind, body in piece:
                    if kind == rules.NEW and body[:1] == bytes([family]):
                        self._rule(body)
                yield
        except DumpError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise

    def _routes(
        self, kernel: Dumps, family: int, absent: frozenset[int] = frozenset(), table: int = MAIN_TABLE
    ) -> Iterator[None]:
        """A table that is not there is empty: the errors that say so are `absent`."""
        try:
            for piece in kernel.dump(routes.dump(family, table=table), PIECE):
                for kind, body in piece:
                    if kind == routes.NEW and body[:1] == bytes([family]):
                        self._route(body)
                yield
        except DumpError as error:
            if error.errno not in absent:
                raise

    def doubt_gateways(self, gateway_of: Gateways) -> None:
        """A nexthop that is on its interface with another gateway than it should have is taken for one that is not.

        Where nobody knows the gateway, as after the loss of the state file, what is there is right.
        """
        for number, interface in self.ours.nexthops.items():
            known = gateway_of(interface, fib_plan.family_of_id(number)) if interface else b""
            if known and self._gateways.get(number, b"") != known:
                self.ours.nexthops[number] = 0

    def _nexthop(self, body: bytes) -> None:
        nexthop = nexthops.decode(body)
        if nexthop is not None and fib_plan.in_range(nexthop.id):
            self.take_nexthop(nexthop)

    def take_nexthop(self, nexthop: Nexthop) -> None:
        """One nexthop of our range was found."""
        if nexthop.protocol == fib_plan.PROTOCOL:
            self.ours.nexthops[nexthop.id] = nexthop.interface
            if nexthop.gateway:
                self._gateways[nexthop.id] = nexthop.gateway
        else:
            self.foreign_ids.add(nexthop.id)

    def _route(self, body: bytes) -> None:
        route = routes.decode(body)
        if route is None:
            return
        key: RouteKey = (route.destination, route.length, route.metric)
        if route.table != MAIN_TABLE:
            key = (route.destination, route.length, route.metric, route.table)
            self._in_table(route, key)
        if route.protocol == fib_plan.PROTOCOL:
            self.ours.routes[key] = route.nexthop
        elif route.metric <= fib_plan.ROUTE_METRIC or route.metric == fib_plan.UNREACHABLE_METRIC:
            self.foreign[key] = route.protocol

    def _in_table(self, route: Route, key: RouteKey) -> None:
        if route.protocol == fib_plan.PROTOCOL:
            self.tables.add(route.table)
        else:
            self.strangers.setdefault(route.table, Strangers(key, route.protocol)).count += 1

    def _rule(self, body: bytes) -> None:
        decoded = rules.decode(body)
        if decoded is None:
            return
        rule, plain = decoded
        if rule.protocol == fib_plan.PROTOCOL and plain and fib_sources.in_range(rule.table):
            self.ours.rules.add(rule)
            self.tables.add(rule.table)
            return
        if fib_sources.in_range(rule.table):
            self._looked_up.add(rule.table)
        among_ours = FIRST_PRIORITY <= rule.priority <= LAST_PRIORITY
        if among_ours and len(self.foreign_rules) < MOST_FOREIGN_RULES:
            self.foreign_rules.append(rule)
