"""A branch's end as a value: everything that its router must be told, and nothing secret.

Addresses are text, because nothing here reckons with them; lengths of time are in seconds where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def version_of(address: str) -> int:
    """The IP version, 4 or 6, of an address or prefix that is written as text."""
    return 6 if ":" in address else 4


def of_version(version: int, addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of the addresses or prefixes that are of this IP version."""
    return tuple(address for address in addresses if version_of(address) == version)


@dataclass(frozen=True, slots=True)
class UplinkEnd:
    """An UplinkEnd is an internet connection of the branch.

    `gateway` is the ISP's router, None: whatever the machine's own default route through `interface` says. `address` is
    the router's own on it, None where that may change or is another router's (NAT). `mark` is the firewall mark and the
    number of the routing table by which packets are pinned.
    """

    name: str
    isp: str
    interface: str | None
    gateway: str | None
    address: str | None
    mark: int

    @property
    def is_pinned(self) -> bool:
        """Whether enough is known to say which packets leave by it."""
        return self.interface is not None or self.gateway is not None


@dataclass(frozen=True, slots=True)
class WireGuardEnd:
    """A WireGuardEnd is the branch's end of a WireGuard tunnel: the one that connects.

    `preshared`: a secret of both ends stands beside the keys.
    """

    keepalive: int = 15
    preshared: bool = False


@dataclass(frozen=True, slots=True)
class IpsecEnd:
    """An IpsecEnd is the branch's end of an IPsec tunnel: the initiator, and the inner tunnel that makes an interface.

    `number` is XFRM's interface id, or VXLAN's network identifier. `inner` is `gre`, `xfrm` or `vxlan`; the loopbacks
    are None with `xfrm`. `secret_file` is the name of the file of the pre-shared key at the hub, None where
    certificates speak for both ends. `ike` and `esp` are proposals as strongSwan writes them.
    """

    number: int
    hub_identity: str
    own_identity: str
    secret_file: str | None
    inner: str
    hub_loopback: str | None
    own_loopback: str | None
    ike: tuple[str, ...]
    esp: tuple[str, ...]
    version: int
    rekey_ike: int
    rekey_child: int


@dataclass(frozen=True, slots=True)
class TunnelEnd:
    """A TunnelEnd is the branch's end of one tunnel, and how its liveness is told; the interval is in microseconds.

    `interface` is that of the branch. `endpoint` is what the branch connects to: an address or a name of `hub_uplink`,
    None where nobody has written it. `carrier` is None for a tunnel that somebody else made.
    """

    name: str
    uplink: str
    hub_uplink: str
    interface: str
    hub_link: str
    own_link: str
    endpoint: str | None
    port: int
    bfd: bool
    interval_us: int
    multiplier: int
    hub_link6: str | None = None
    own_link6: str | None = None
    mtu: int = 1420
    carrier: WireGuardEnd | IpsecEnd | None = WireGuardEnd()

    def hub_end(self, version: int) -> str:
        """The hub's address inside the tunnel: the branch's next hop for prefixes of this IP version."""
        return self.hub_link if version == 4 or self.hub_link6 is None else self.hub_link6

    @property
    def addresses(self) -> tuple[str, ...]:
        """The branch's addresses inside the tunnel, with their lengths."""
        return (f"{self.own_link}/31", *([] if self.own_link6 is None else [f"{self.own_link6}/127"]))

    @property
    def endpoint_address(self) -> str | None:
        """The endpoint where it is an IPv4 address and no name."""
        return self.endpoint if self.endpoint and self.endpoint.replace(".", "").isdecimal() else None


@dataclass(frozen=True, slots=True)
class BranchEnd:
    """A BranchEnd is a branch as its own router sees it; `tunnels` are in order of preference.

    `router` is the kind of router as written, None where nothing is. `reaches` is what the hub announces to it, and
    what its static floor is for. `signed`: a password signs its sessions' segments (RFC 2385).
    """

    name: str
    asn: int
    router_id: str
    prefixes: tuple[str, ...]
    hub: str
    hub_asn: int
    reaches: tuple[str, ...]
    uplinks: tuple[UplinkEnd, ...]
    tunnels: tuple[TunnelEnd, ...]
    router: str | None = None
    signed: bool = False
    ttl_security: bool = False

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that its sessions carry, 4 before 6: those of its prefixes."""
        return tuple(sorted({version_of(prefix) for prefix in self.prefixes}))

    @property
    def is_internal(self) -> bool:
        """Whether hub and branch are of one AS (iBGP)."""
        return self.asn == self.hub_asn

    def uplink(self, name: str) -> UplinkEnd:
        """The uplink of this name."""
        return next(uplink for uplink in self.uplinks if uplink.name == name)

    def wireguard(self) -> tuple[tuple[TunnelEnd, WireGuardEnd], ...]:
        """Its WireGuard tunnels."""
        return tuple((each, each.carrier) for each in self.tunnels if isinstance(each.carrier, WireGuardEnd))

    def ipsec(self) -> tuple[tuple[TunnelEnd, IpsecEnd], ...]:
        """Its IPsec tunnels."""
        return tuple((each, each.carrier) for each in self.tunnels if isinstance(each.carrier, IpsecEnd))
