"""The sheet of a branch: every value that a router of any make must be told, for one whose text we do not write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hub.branch_router.end import BranchEnd, IpsecEnd, TunnelEnd, UplinkEnd, WireGuardEnd
from hub.branch_router.inner import VXLAN_PORT
from hub.branch_router.secrets import NO_SECRETS, Secrets
from policies.model.transport import DPD_DELAY

Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A Section is a heading and what belongs under it, each with its value."""

    title: str
    rows: tuple[Row, ...]


def sheet(end: BranchEnd, secrets: Secrets = NO_SECRETS) -> str:
    """The sheet as text."""
    sections = sheet_sections(end, secrets)
    width = max(len(label) for section in sections for label, _ in section.rows) + 2
    return "\n".join(_text(section, width) for section in sections)


def sheet_sections(end: BranchEnd, secrets: Secrets = NO_SECRETS) -> tuple[Section, ...]:
    """What is true of the whole branch, then each tunnel, the preferred one first."""
    branch = Section(f"branch {end.name}", tuple(_branch(end, secrets)))
    tunnels = (
        Section(f"tunnel {tunnel.name}", tuple(_tunnel(end, tunnel, number, secrets)))
        for number, tunnel in enumerate(end.tunnels, 1)
    )
    return (branch, *tunnels)


def _text(section: Section, width: int) -> str:
    return "".join([f"{section.title}\n", *(f"  {label:<{width}}{value}\n" for label, value in section.rows)])


def _branch(end: BranchEnd, secrets: Secrets) -> Iterator[Row]:
    yield "AS", str(end.asn)
    yield "router id", end.router_id
    yield "AS of the hub", f"{end.hub_asn} ({'iBGP: local preference' if end.is_internal else 'eBGP: MED'} steers)"
    yield "announces", f"{', '.join(end.prefixes)}; nothing else; itself as next hop"
    yield "accepts", f"{', '.join(end.reaches) or 'nothing'}, and parts of them; never its own"
    yield "BGP sessions", "one a tunnel; the branch connects, port 179; hold time 9 s, keepalive 3 s"
    yield "BGP, not used", "graceful restart, equal-cost multipath, local preference or weight of the branch's own"
    if end.signed:
        yield "BGP password", f"{secrets.password_of(end.name)} (TCP MD5, RFC 2385)"
    if end.ttl_security:
        yield "TTL security", "on: TTL 255 is sent and wanted (RFC 5082)"
    yield "reverse-path filter", "loose or off: the two directions may use different tunnels"


def _tunnel(end: BranchEnd, tunnel: TunnelEnd, number: int, secrets: Secrets) -> Iterator[Row]:
    yield "preference", f"{number} of {len(end.tunnels)}, in the static floor; BGP decides while it is there"
    yield "leaves by", _uplink(end.uplink(tunnel.uplink))
    match tunnel.carrier:
        case WireGuardEnd() as carrier:
            yield from _wireguard(tunnel, carrier, secrets)
        case IpsecEnd() as carrier:
            yield from _ipsec(tunnel, carrier, secrets)
        case None:
            yield "kind", "existing: somebody else made it, and it is never changed"
    yield "own address", ", ".join(tunnel.addresses)
    yield "hub's address", tunnel.hub_link if tunnel.hub_link6 is None else f"{tunnel.hub_link}, {tunnel.hub_link6}"
    yield "MTU", str(tunnel.mtu)
    yield "BGP neighbor", f"{tunnel.hub_link}, from {tunnel.own_link}"
    yield "liveness", _liveness(tunnel)
    if end.reaches:
        yield "static floor", f"{', '.join(end.reaches)} through it, behind BGP"


def _uplink(uplink: UplinkEnd) -> str:
    where = [f"interface {uplink.interface}"] if uplink.interface else []
    where += [f"gateway {uplink.gateway}"] if uplink.gateway else []
    return f"uplink {uplink.name} ({', '.join([uplink.isp, *where])}), and by no other"


def _wireguard(tunnel: TunnelEnd, carrier: WireGuardEnd, secrets: Secrets) -> Iterator[Row]:
    yield "kind", "WireGuard"
    yield "hub's end", f"{tunnel.endpoint}, UDP port {tunnel.port}"
    yield "hub's public key", secrets.hub_public_key(tunnel.name)
    yield "own private key", secrets.private_key(tunnel.name)
    yield "own public key", secrets.own_public_key(tunnel.name)
    if carrier.preshared:
        yield "preshared key", secrets.preshared_key(tunnel.name)
    yield "own UDP port", f"{tunnel.port}, or any other"
    yield "allowed addresses", "0.0.0.0/0" if tunnel.own_link6 is None else "0.0.0.0/0, ::/0"
    yield "keepalive", f"{carrier.keepalive} s" if carrier.keepalive else "none"


def _ipsec(tunnel: TunnelEnd, carrier: IpsecEnd, secrets: Secrets) -> Iterator[Row]:
    yield "kind", f"IPsec, IKEv{carrier.version}; the branch begins; UDP encapsulation always; no reauthentication"
    yield "hub's end", f"{tunnel.endpoint}, UDP ports 500 and 4500"
    yield "identities", f"own {carrier.own_identity}, the hub's {carrier.hub_identity}"
    if carrier.secret_file is None:
        yield "authentication", "certificates of both ends"
    else:
        yield "pre-shared key", secrets.preshared_key(tunnel.name)
    yield "IKE proposals", f"{', '.join(carrier.ike)}; new keys every {carrier.rekey_ike} s"
    yield "ESP proposals", f"{', '.join(carrier.esp)}; tunnel mode; new keys every {carrier.rekey_child} s"
    yield "dead peer detection", f"{DPD_DELAY} s"
    yield from _inner(carrier)


def _inner(carrier: IpsecEnd) -> Iterator[Row]:
    if carrier.inner == "xfrm":
        yield "protected", f"all that its own interface sends (id {carrier.number}); the hub narrows that down"
        return
    pair = f"own {carrier.own_loopback}, the hub's {carrier.hub_loopback}"
    yield "protected", f"{carrier.own_loopback}/32 to {carrier.hub_loopback}/32"
    if carrier.inner == "vxlan":
        yield "inside it", f"VXLAN {carrier.number} between loopbacks, UDP port {VXLAN_PORT}: {pair}"
    else:
        yield "inside it", f"GRE between loopbacks, no key: {pair}"


def _liveness(tunnel: TunnelEnd) -> str:
    if not tunnel.bfd:
        return "the hub pings: answer it"
    return f"BFD, one hop, {tunnel.interval_us / 1000:g} ms x {tunnel.multiplier}; answer ping too"
