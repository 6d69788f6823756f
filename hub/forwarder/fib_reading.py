"""One reading of the kernel's nexthops and routes: what is ours, and what of others could be in our way."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from hub.forwarder import fib_plan
from hub.forwarder.fib_plan import KernelState, RouteKey
from hub.forwarder.netlink import nexthops, routes
from hub.forwarder.netlink.sockets import DumpError

PIECE = 16_384
"""Bytes of a dump in one step: some 250 routes, and as many as one of these messages can ever need."""


class Dumps(Protocol):
    """What a reading needs of a netlink socket; see `hub.forwarder.netlink.sockets.Requests`."""

    def dump(self, request: bytes, piece: int = ..., /) -> Iterator[list[tuple[int, bytes]]]:
        """The answer to a dump, in pieces."""
        ...


@dataclass(slots=True)
class Reading:
    """A Reading is what was found: ours, the routes of others (by protocol), the ids that others took."""

    ours: KernelState = field(default_factory=KernelState)
    foreign: dict[RouteKey, int] = field(default_factory=dict)
    foreign_ids: set[int] = field(default_factory=set)

    def fill(self, kernel: Dumps) -> Iterator[None]:
        """Read all, one datagram a step.

        Raises:
            DumpInterruptedError: somebody changed the table meanwhile.
            DumpError: the kernel has no nexthop objects, or refuses.
        """
        for piece in kernel.dump(nexthops.dump(), PIECE):
            for kind, body in piece:
                if kind == nexthops.NEW:
                    self._nexthop(body)
            yield
        yield from self._routes(kernel, socket.AF_INET)
        try:
            yield from self._routes(kernel, socket.AF_INET6)
        except DumpError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EAFNOSUPPORT}:  # a kernel without IPv6
                raise

    def _routes(self, kernel: Dumps, family: int) -> Iterator[None]:
        for piece in kernel.dump(routes.dump(family), PIECE):
            for kind, body in piece:
                if kind == routes.NEW and body[:1] == bytes([family]):
                    self._route(body)
            yield

    def _nexthop(self, body: bytes) -> None:
        nexthop = nexthops.decode(body)
        if nexthop is None or not fib_plan.in_range(nexthop.id):
            return
        if nexthop.protocol == fib_plan.PROTOCOL:
            self.ours.nexthops[nexthop.id] = nexthop.interface
        else:
            self.foreign_ids.add(nexthop.id)

    def _route(self, body: bytes) -> None:
        route = routes.decode(body)
        if route is None:
            return
        key = (route.destination, route.length, route.metric)
        if route.protocol == fib_plan.PROTOCOL:
            self.ours.routes[key] = route.nexthop
        elif route.metric <= fib_plan.ROUTE_METRIC or route.metric == fib_plan.UNREACHABLE_METRIC:
            self.foreign[key] = route.protocol
