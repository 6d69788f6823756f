"""From intent to a branch's end: pure."""

from __future__ import annotations

from hub.branch_router.end import BranchEnd, IpsecEnd, TunnelEnd, UplinkEnd, WireGuardEnd
from policies.announced import announced_to
from policies.model.intent import Branch, Hub, LivenessMethod, SessionKind, Tunnel, Uplink
from policies.model.transport import Ipsec, PresharedKey, Transport, WireGuard
from policies.ranking import place_in

FIRST_MARK = 101
"""The mark, and the routing table, of a branch's first uplink."""
LONGEST_INTERFACE = 15
"""IFNAMSIZ of Linux, less the zero at the end."""


def end_of(hub: Hub, branch: Branch) -> BranchEnd:
    """What the branch's router must be told."""
    uplinks = _uplinks(branch)
    taken = {uplink.interface for uplink in uplinks if uplink.interface is not None} | {"lo"}
    return BranchEnd(
        name=branch.name,
        asn=hub.asn if branch.session.kind is SessionKind.IBGP else branch.asn,
        router_id=str(branch.router_id),
        prefixes=tuple(map(str, branch.prefixes)),
        hub=hub.name,
        hub_asn=hub.asn,
        reaches=tuple(map(str, announced_to(hub, branch))),
        uplinks=uplinks,
        tunnels=tuple(_tunnel(tunnel, taken) for tunnel in by_preference(branch)),
        router=None if branch.router is None else branch.router.value,
        signed=branch.session.password_file is not None,
        ttl_security=branch.session.ttl_security,
    )


def by_preference(branch: Branch) -> tuple[Tunnel, ...]:
    """The order in which the branch's own static floor tries its tunnels: metered last, then `prefer`, then by name."""
    prefer = branch.policy.prefer
    return tuple(sorted(branch.tunnels, key=lambda tunnel: (tunnel.uplink.metered, place_in(tunnel, prefer))))


def free_interface(wanted: str, taken: set[str]) -> str:
    """A free interface name like the wanted one, which is taken from now on."""
    name, number = wanted[:LONGEST_INTERFACE], 2
    while name in taken:
        name, number = f"{wanted[: LONGEST_INTERFACE - len(str(number))]}{number}", number + 1
    taken.add(name)
    return name


def interval_us(tunnel: Tunnel) -> int:
    """Microseconds between two packets of liveness while the tunnel is in use: what the branch always sends."""
    return round(tunnel.liveness.active.interval.total_seconds() * 1_000_000)


def _uplinks(branch: Branch) -> tuple[UplinkEnd, ...]:
    every = {tunnel.uplink.name: tunnel.uplink for tunnel in branch.tunnels}
    return tuple(_uplink(uplink, FIRST_MARK + position) for position, uplink in enumerate(every.values()))


def _uplink(uplink: Uplink, mark: int) -> UplinkEnd:
    gateway = None if uplink.gateway == "dhcp" else uplink.gateway
    address = None if uplink.address is None or uplink.behind_nat else str(uplink.address)
    return UplinkEnd(uplink.name, uplink.isp, uplink.interface, gateway, address, mark)


def _tunnel(tunnel: Tunnel, taken: set[str]) -> TunnelEnd:
    link, timers = tunnel.link, tunnel.liveness.active
    return TunnelEnd(
        name=str(tunnel.id),
        uplink=tunnel.uplink.name,
        hub_uplink=tunnel.hub_uplink.name,
        interface=free_interface(tunnel.id.name, taken),
        hub_link=str(link.hub),
        own_link=str(link.branch),
        endpoint=tunnel.hub_uplink.endpoint,
        port=tunnel.port,
        bfd=timers.method is LivenessMethod.BFD,
        interval_us=interval_us(tunnel),
        multiplier=timers.multiplier,
        hub_link6=None if link.hub6 is None else str(link.hub6),
        own_link6=None if link.branch6 is None else str(link.branch6),
        mtu=tunnel.mtu,
        carrier=carrier_of(tunnel.port, tunnel.transport),
    )


def carrier_of(number: int, transport: Transport) -> WireGuardEnd | IpsecEnd | None:
    """What carries a tunnel, as the branch has it; None where somebody else made it."""
    match transport:
        case WireGuard():
            return WireGuardEnd(round(transport.keepalive.total_seconds()), transport.preshared)
        case Ipsec():
            return _ipsec(number, transport)
        case _:
            return None


def _ipsec(number: int, transport: Ipsec) -> IpsecEnd:
    authentication, pair = transport.authentication, transport.loopbacks
    return IpsecEnd(
        number=number,
        hub_identity=transport.hub_identity,
        own_identity=transport.branch_identity,
        secret_file=authentication.file if isinstance(authentication, PresharedKey) else None,
        inner=transport.inner.value,
        hub_loopback=None if pair is None else str(pair.hub),
        own_loopback=None if pair is None else str(pair.branch),
        ike=transport.ike,
        esp=transport.esp,
        version=transport.version,
        rekey_ike=round(transport.rekey_ike.total_seconds()),
        rekey_child=round(transport.rekey_child.total_seconds()),
    )
