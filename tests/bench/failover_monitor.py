"""What the kernel tells of its routes and nexthops, each with the moment at which it was told.

A process inside the hub's namespace (`python failover_monitor.py`): for every RTM_NEWROUTE and RTM_NEWNEXTHOP of
rtnetlink(7) it writes a line `NANOSECONDS route|nexthop INTERFACE DESTINATION`, by CLOCK_MONOTONIC, which all
namespaces have in common. It needs nothing of Pointsman, so that it can't slow what it watches. It ends with its stdin.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NEWROUTE, _NEWNEXTHOP = 24, 104
_ROUTE_HEADER, _NEXTHOP_HEADER = 12, 8
_RTA_DST, _RTA_OIF, _NHA_OIF = 1, 4, 5
_GROUP_ROUTES, _GROUP_NEXTHOPS = 7, 32
"""RTNLGRP_IPV4_ROUTE and RTNLGRP_NEXTHOP of linux/rtnetlink.h."""
_ADD_MEMBERSHIP, _SOL_NETLINK = 1, 270
_LARGEST = 1 << 18


@dataclass(frozen=True, slots=True)
class Change:
    """A Change is a route or a nexthop as it now is: `at` in nanoseconds, the interface's index, the destination."""

    at: int
    what: str
    interface: int
    destination: str

    def line(self) -> str:
        return f"{self.at} {self.what} {self.interface} {self.destination}\n"


def read_changes(text: str) -> list[Change]:
    """The changes in what the process wrote; a last line that is not complete is left out."""
    whole = text[: text.rfind("\n") + 1]
    fields = (line.split() for line in whole.splitlines())
    return [Change(int(at), what, int(interface), destination) for at, what, interface, destination in fields]


def changes(data: bytes, at: int) -> Iterator[Change]:
    """The routes and nexthops that a datagram of netlink tells of."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, position)
        if length < _HEADER.size:
            return
        body = data[position + _HEADER.size : position + length]
        if kind == _NEWROUTE:
            yield _route(body, at)
        elif kind == _NEWNEXTHOP:
            attributes = dict(_attributes(body[_NEXTHOP_HEADER:]))
            yield Change(at, "nexthop", _number(attributes.get(_NHA_OIF)), "-")
        position += (length + 3) & ~3


def _route(body: bytes, at: int) -> Change:
    attributes = dict(_attributes(body[_ROUTE_HEADER:]))
    address = socket.inet_ntoa(attributes.get(_RTA_DST, bytes(4)))
    return Change(at, "route", _number(attributes.get(_RTA_OIF)), f"{address}/{body[1]}")


def _number(value: bytes | None) -> int:
    return 0 if value is None else int.from_bytes(value[:4], sys.byteorder)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3


def main() -> int:
    """Write changes to stdout until stdin ends; `ready` comes first."""
    with suppress(OSError):
        # Ahead of the lines and routers, which are at 1: a message must not wait to be stamped.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(4))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        for group in (_GROUP_ROUTES, _GROUP_NEXTHOPS):
            kernel.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            readable, _, _ = select.select([kernel, sys.stdin], [], [])
            if sys.stdin in readable:
                return 0
            data = kernel.recv(_LARGEST)
            at = time.monotonic_ns()
            sys.stdout.write("".join(change.line() for change in changes(data, at)))
            sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
