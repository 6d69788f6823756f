"""The lab's network as a value: everything that is to be built, nothing about how.

Addresses are text, because nothing here reckons with them and the value is kept as JSON in the lab's directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hub.branch_router.end import IpsecEnd, of_version, version_of
from hub.control.plain import NotPlainError, from_plain, to_plain

HUB = "hub"
HQ_HOST = "hq"
EXCHANGE = "ix"
LAN_INTERFACE = "lan"
BIRD, FRR = "bird", "frr"
"""The programs that may route at a branch."""


@dataclass(frozen=True, slots=True)
class Lan:
    """A Lan is a site's local network: its router, one host, and their addresses (`10.1.0.1/24`), one a prefix."""

    router: str
    host: str
    router_addresses: tuple[str, ...]
    host_addresses: tuple[str, ...]

    @property
    def gateway(self) -> str:
        """The router's first address, without its length."""
        return self.router_addresses[0].partition("/")[0]

    @property
    def gateways(self) -> tuple[str, ...]:
        """The router's first address of each IP version that the host has, without its length."""
        return tuple(_first(self.router_addresses, version) for version in self.versions)

    @property
    def host_address(self) -> str:
        """The host's first address, without its length."""
        return self.host_addresses[0].partition("/")[0]

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that the host speaks, 4 before 6."""
        return tuple(sorted({version_of(address) for address in self.host_addresses}))

    def host_address_of(self, version: int) -> str:
        """The host's first address of this IP version, without its length."""
        return _first(self.host_addresses, version)


@dataclass(frozen=True, slots=True)
class Uplink:
    """An Uplink is a site's connection to an ISP; `mark` pins packets to it (firewall mark and routing table)."""

    name: str
    isp: str
    interface: str
    isp_interface: str
    address: str
    gateway: str
    mark: int


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A Tunnel is one tunnel and how its liveness is told; the interval is in microseconds, the MTU in bytes.

    `hub_link6` and `branch_link6` are the ends of its /127, None where the tunnel carries no IPv6. `ipsec` is the
    branch's end of an IPsec tunnel, None for WireGuard.
    """

    name: str
    uplink: str
    hub_interface: str
    branch_interface: str
    hub_link: str
    branch_link: str
    endpoint: str
    port: int
    hub_mark: int
    branch_mark: int
    bfd: bool
    interval_us: int
    multiplier: int
    hub_link6: str | None = None
    branch_link6: str | None = None
    mtu: int = 1420
    ipsec: IpsecEnd | None = None

    def hub_end(self, version: int) -> str:
        """The hub's address inside the tunnel: the branch's next hop for prefixes of this IP version."""
        return self.hub_link if version == 4 or self.hub_link6 is None else self.hub_link6


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hub is the headquarters: the router with Pointsman, its uplinks, and a host behind it."""

    name: str
    asn: int
    router_id: str
    prefixes: tuple[str, ...]
    lan: Lan
    uplinks: tuple[Uplink, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """A Branch is a site with a router and a host behind it; `tunnels` are in order of preference.

    `router` is the program that routes, `bird` or `frr`. `reaches` is what the hub announces to it, and what its static
    floor is for. `password_file` is the file of its sessions' password, None for none.
    """

    name: str
    asn: int
    router_id: str
    prefixes: tuple[str, ...]
    lan: Lan
    uplinks: tuple[Uplink, ...]
    tunnels: tuple[Tunnel, ...]
    reaches: tuple[str, ...] = ()
    router: str = BIRD
    password_file: str | None = None
    ttl_security: bool = False

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that its sessions carry, 4 before 6: those of its prefixes."""
        return tuple(sorted({version_of(prefix) for prefix in self.prefixes}))

    @property
    def has_ipsec(self) -> bool:
        """Whether one of its tunnels is IPsec."""
        return any(tunnel.ipsec is not None for tunnel in self.tunnels)

    @property
    def link6s(self) -> tuple[str, ...]:
        """Its IPv6 addresses inside its tunnels."""
        return tuple(tunnel.branch_link6 for tunnel in self.tunnels if tunnel.branch_link6 is not None)


@dataclass(frozen=True, slots=True)
class Isp:
    """An Isp is a provider's router: the network its customers' addresses are from, and its place at the exchange."""

    name: str
    node: str
    network: str
    exchange_interface: str
    exchange_address: str


@dataclass(frozen=True, slots=True)
class Network:
    """A Network is the whole lab: a hub, branches, ISPs, and the exchange (`ix`) that joins the ISPs."""

    name: str
    hub: Hub
    isps: tuple[Isp, ...]
    branches: tuple[Branch, ...]

    def nodes(self) -> tuple[str, ...]:
        """Every namespace, by its short name."""
        sites = (node for branch in self.branches for node in (branch.name, branch.lan.host))
        return (HUB, HQ_HOST, EXCHANGE, *(isp.node for isp in self.isps), *sites)

    def branch(self, name: str) -> Branch | None:
        """The branch of this name."""
        return next((branch for branch in self.branches if branch.name == name), None)

    def ipsec_nodes(self) -> tuple[str, ...]:
        """The nodes that run strongSwan: branches with IPsec, and then the hub."""
        branches = tuple(branch.name for branch in self.branches if branch.has_ipsec)
        return (HUB, *branches) if branches else ()

    def customers(self) -> Iterator[tuple[str, Uplink]]:
        """Every (site, uplink), the hub's first."""
        yield from ((HUB, uplink) for uplink in self.hub.uplinks)
        for branch in self.branches:
            yield from ((branch.name, uplink) for uplink in branch.uplinks)

    def tunnels(self) -> Iterator[tuple[Branch, Tunnel]]:
        """Every tunnel with its branch."""
        return ((branch, tunnel) for branch in self.branches for tunnel in branch.tunnels)


def to_json(network: Network) -> dict[str, Any]:
    """The network as plain JSON values."""
    return to_plain(network)


def from_json(value: object) -> Network:
    """The network that `to_json` wrote.

    Raises:
        ValueError: the value is something else.
    """
    try:
        return from_plain(Network, value)
    except NotPlainError as error:
        raise ValueError(f"not the record of a lab: {error}") from error


def _first(addresses: Iterable[str], version: int) -> str:
    return of_version(version, addresses)[0].partition("/")[0]
