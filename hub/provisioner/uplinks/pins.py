"""Pins: the routes and rules that keep what is marked, or sent from an address, on one uplink. Pure.

Each uplink has a routing table whose number is its mark, with a default route through it. Below that stands an
`unreachable` default of the worst metric: when the uplink's own route is gone, a tunnel is dead, and does not slide to
another uplink without anybody's knowing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from hub.provisioner.ownership import PROTOCOL

MARK_PRIORITY = 11_000
"""Of the rules that look up what is marked: before the forwarder's rules (`hub.source_priorities`) and before main."""
NEAR_PRIORITY = 11_100
"""Of the rules that let the main table answer first for what is sent from an uplink's address, but not by a default
route: the hub's own network and the tunnels are reached from that address too."""
ADDRESS_PRIORITY = 11_101
LAST_PRIORITY = 11_199
MAIN_TABLE = 254
SYSTEM_TABLES = frozenset({0, 253, MAIN_TABLE, 255})
"""unspec, default, main, local (linux/rtnetlink.h): nothing of ours is in them."""
HALF_OF_ALL = 1
"""Prefixes of this length are halves of the internet: two of them are a default route by another name."""
WORST_METRIC = 0xFFFF_FFFF
UNICAST, UNREACHABLE = "unicast", "unreachable"


@dataclass(frozen=True, slots=True)
class Route:
    """A Route is one route of the kernel, as far as it concerns us; `destination` is `default` or a prefix."""

    table: int
    destination: str
    gateway: str | None
    interface: str | None
    kind: str = UNICAST
    source: str | None = None
    metric: int = 0
    protocol: int = PROTOCOL
    onlink: bool = False

    def __str__(self) -> str:
        via = f" via {self.gateway}" if self.gateway else ""
        return f"{self.destination}{via}" + (f" dev {self.interface}" if self.interface else f" {self.kind}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A Rule looks what has a mark, or a source, up in a table; `suppress`: not by routes that short.

    `other`: it asks for something else too, or does something else, so that it may not be for our packets at all.
    """

    priority: int
    table: int
    mark: int | None = None
    source: str | None = None
    suppress: int | None = None
    protocol: int = PROTOCOL
    other: bool = False

    def __str__(self) -> str:
        asked = f"fwmark {self.mark}" if self.mark is not None else f"from {self.source or 'all'}"
        name = "main" if self.table == MAIN_TABLE else str(self.table)
        return f"rule {asked} lookup {name}"


@dataclass(frozen=True, slots=True)
class Interface:
    """An Interface has its addresses, and the networks that it reaches without a router."""

    addresses: frozenset[str] = frozenset()
    networks: tuple[IPv4Network, ...] = ()
    default: Route | None = None
    """The machine's own default route through it: the best one, in the main table first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A Seen is what the machine has: interfaces by name, all rules, and the routes of our tables and of ours."""

    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        """Every IPv4 address of the machine."""
        return frozenset(address for each in self.interfaces.values() for address in each.addresses)


@dataclass(frozen=True, slots=True)
class Pin:
    """A Pin is an uplink that packets are kept on: its table and mark, and the way through it."""

    uplink: str
    table: int
    interface: str
    gateway: str | None
    address: str | None = None
    onlink: bool = False

    @property
    def routes(self) -> tuple[Route, ...]:
        """The floor first, so that there is never a moment without it."""
        floor = Route(self.table, "default", None, None, UNREACHABLE, metric=WORST_METRIC)
        through = Route(self.table, "default", self.gateway, self.interface, source=self.address, onlink=self.onlink)
        return floor, through

    @property
    def rules(self) -> tuple[Rule, ...]:
        """By the mark, and by the address where the uplink has a fixed one."""
        marked = Rule(MARK_PRIORITY, self.table, mark=self.table)
        if self.address is None:
            return (marked,)
        source = f"{self.address}/32"
        return (
            marked,
            Rule(NEAR_PRIORITY, MAIN_TABLE, source=source, suppress=HALF_OF_ALL),
            Rule(ADDRESS_PRIORITY, self.table, source=source),
        )

    def __str__(self) -> str:
        return f"{self.interface} via {self.gateway}" if self.gateway else self.interface


def is_ours(rule: Rule) -> bool:
    """Whether we made this rule."""
    return rule.protocol == PROTOCOL and MARK_PRIORITY <= rule.priority <= LAST_PRIORITY
