"""The lab's network as a value: everything that is to be built, nothing about how.

Addresses are text, because nothing here reckons with them and the value is kept as JSON in the lab's directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

HUB = "hub"
HQ_HOST = "hq"
EXCHANGE = "ix"
LAN_INTERFACE = "lan"


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
    def host_address(self) -> str:
        """The host's first address, without its length."""
        return self.host_addresses[0].partition("/")[0]


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
    """A Tunnel is one WireGuard tunnel and how its liveness is told; the interval is in microseconds."""

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
    """A Branch is a site with a BIRD router and a host behind it; `tunnels` are in order of preference."""

    name: str
    asn: int
    router_id: str
    prefixes: tuple[str, ...]
    lan: Lan
    uplinks: tuple[Uplink, ...]
    tunnels: tuple[Tunnel, ...]


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
    return asdict(network)


def from_json(value: object) -> Network:
    """The network that `to_json` wrote.

    Raises:
        ValueError: the value is something else.
    """
    try:
        network = _decode(Network, value)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the record of a lab: {error}") from error
    if not isinstance(network, Network):
        raise ValueError("not the record of a lab")  # noqa: TRY004 - a wrong value, not a wrong call
    return network


def _decode(kind: Any, value: Any) -> Any:
    if get_origin(kind) is tuple:
        return tuple(_decode(get_args(kind)[0], item) for item in value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints: Mapping[str, Any] = get_type_hints(kind)
        return kind(**{field.name: _decode(hints[field.name], value[field.name]) for field in fields(kind)})
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value
