"""What the hub's end of the network should be, as data that crosses a socket: nothing in it is secret.

Addresses are text, because nothing here reckons with them. Lengths of time are in seconds, sizes in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WantedUplink:
    """A WantedUplink is an internet connection of the hub; see `policies.model.intent.HubUplink`.

    Without interface or gateway nothing is pinned to it.
    """

    name: str
    isp: str
    interface: str | None
    gateway: str | None
    address: str | None
    mark: int


@dataclass(frozen=True, slots=True)
class WantedWireGuard:
    """A WantedWireGuard is the hub's end of a WireGuard tunnel: one interface with one peer.

    `addresses` are the hub's inside the tunnel, with their lengths. `allowed` is what the peer may send. `endpoint` is
    where the peer is, None where it says so itself by connecting. `mark` is that of the uplink `uplink`. `known_from`
    are the only addresses from which the peer ever sends; none: it may be any.
    """

    tunnel: str
    interface: str
    addresses: tuple[str, ...]
    mtu: int
    uplink: str
    mark: int
    port: int
    allowed: tuple[str, ...]
    endpoint: str | None
    keepalive: int
    preshared: bool
    known_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedIpsec:
    """A WantedIpsec is the hub's end of an IPsec tunnel: an IKE peer, its child SA, and the interface made of it.

    `number` is unique among tunnels: XFRM interface id or VXLAN network identifier (RouterOS knows no GRE keys).
    `local` and `remote` are the outer addresses, None for whichever the machine has and for any. `secret_file`, or
    `certificate_file`, `key_file` and `authority_file`, are names in `secrets`. `inner` is `gre`, `xfrm` or `vxlan`;
    `loopback` and `branch_loopback` are None with `xfrm`, whose selectors are `allowed`. `known_from` is as
    with WireGuard.
    """

    tunnel: str
    interface: str
    addresses: tuple[str, ...]
    mtu: int
    uplink: str
    mark: int
    number: int
    local: str | None
    remote: str | None
    hub_identity: str
    branch_identity: str
    secret_file: str | None
    certificate_file: str | None
    key_file: str | None
    authority_file: str | None
    inner: str
    loopback: str | None
    branch_loopback: str | None
    allowed: tuple[str, ...]
    ike: tuple[str, ...]
    esp: tuple[str, ...]
    version: int
    rekey_ike: int
    rekey_child: int
    known_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedExisting:
    """A WantedExisting is a tunnel that somebody else made: only looked at.

    `addresses` are the hub's inside it, with their lengths.
    """

    tunnel: str
    interface: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Wanted is everything that the provisioner makes for one network.

    `management` are the prefixes from which the hub may be managed. `ipv6`: IPv6 is forwarded too. `firewall`: what
    comes in is filtered.
    """

    network: str
    uplinks: tuple[WantedUplink, ...]
    wireguard: tuple[WantedWireGuard, ...]
    ipsec: tuple[WantedIpsec, ...]
    existing: tuple[WantedExisting, ...]
    management: tuple[str, ...]
    ipv6: bool
    firewall: bool = False

    def tunnels(self) -> tuple[WantedWireGuard | WantedIpsec, ...]:
        """Those that we make, in order of name."""
        return tuple(sorted((*self.wireguard, *self.ipsec), key=lambda each: each.tunnel))

    def interfaces(self) -> frozenset[str]:
        """Those that stay: of the tunnels that we make, and of those that somebody else has, whatever their alias."""
        return frozenset((*(each.interface for each in self.tunnels()), *(each.interface for each in self.existing)))


NOTHING = Wanted("", (), (), (), (), (), ipv6=False)
