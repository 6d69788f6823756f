"""From intent to what the provisioner is to make: pure."""

from __future__ import annotations

from hub.provisioner.wanted import Wanted, WantedExisting, WantedIpsec, WantedUplink, WantedWireGuard
from policies.model.intent import Branch, HubUplink, Intent, Tunnel
from policies.model.transport import Certificate, Ipsec, PresharedKey, WireGuard


def wanted_of(intent: Intent) -> Wanted:
    """What this intent asks of the hub's machine, in order of name."""
    pairs = [(branch, tunnel) for branch in intent.branches.values() for tunnel in branch.tunnels]
    pairs.sort(key=lambda pair: pair[1].id)
    wireguard, ipsec, existing = [], [], []
    for branch, tunnel in pairs:
        match tunnel.transport:
            case WireGuard() as transport:
                wireguard.append(_wireguard(branch, tunnel, transport))
            case Ipsec() as transport:
                ipsec.append(_ipsec(branch, tunnel, transport))
            case _:
                existing.append(WantedExisting(str(tunnel.id), tunnel.interface, _addresses(tunnel)))
    return Wanted(
        network=intent.network,
        uplinks=tuple(_uplink(uplink) for _, uplink in sorted(intent.hub.uplinks.items())),
        wireguard=tuple(wireguard),
        ipsec=tuple(ipsec),
        existing=tuple(existing),
        management=tuple(map(str, intent.security.management)),
        ipv6=any(tunnel.link.hub6 is not None for _, tunnel in pairs),
        firewall=intent.security.firewall,
    )


def _uplink(uplink: HubUplink) -> WantedUplink:
    address = None if uplink.address is None else str(uplink.address)
    return WantedUplink(uplink.name, uplink.isp, uplink.interface, uplink.gateway, address, uplink.mark)


def _addresses(tunnel: Tunnel) -> tuple[str, ...]:
    ipv6 = () if tunnel.link.hub6 is None else (f"{tunnel.link.hub6}/127",)
    return (f"{tunnel.link.hub}/31", *ipv6)


def allowed_of(branch: Branch) -> tuple[str, ...]:
    """What a tunnel of this branch may bring: its prefixes, and all its link addresses, of all its tunnels.

    All of them, because the answer to a return-path probe may come back by another tunnel than the question went.
    """
    links = [f"{tunnel.link.branch}/32" for tunnel in branch.tunnels]
    links += [f"{tunnel.link.branch6}/128" for tunnel in branch.tunnels if tunnel.link.branch6 is not None]
    return (*map(str, branch.prefixes), *links)


def known_from(branch: Branch, tunnel: Tunnel) -> tuple[str, ...]:
    """The only address from which a tunnel's branch sends, none where it may change.

    The only tunnel of a branch may be taken to another ISP at any time, so it is held to no address.
    """
    address = tunnel.uplink.address
    if address is None or tunnel.uplink.behind_nat or len(branch.tunnels) == 1:
        return ()
    return (str(address),)


def _wireguard(branch: Branch, tunnel: Tunnel, transport: WireGuard) -> WantedWireGuard:
    return WantedWireGuard(
        tunnel=str(tunnel.id),
        interface=tunnel.interface,
        addresses=_addresses(tunnel),
        mtu=tunnel.mtu,
        uplink=tunnel.hub_uplink.name,
        mark=tunnel.hub_uplink.mark,
        port=tunnel.port,
        allowed=allowed_of(branch),
        endpoint=None,
        keepalive=0,
        preshared=transport.preshared,
        known_from=known_from(branch, tunnel),
    )


def _ipsec(branch: Branch, tunnel: Tunnel, transport: Ipsec) -> WantedIpsec:
    authentication, address = transport.authentication, tunnel.uplink.address
    certificate = authentication if isinstance(authentication, Certificate) else None
    pair = transport.loopbacks
    return WantedIpsec(
        tunnel=str(tunnel.id),
        interface=tunnel.interface,
        addresses=_addresses(tunnel),
        mtu=tunnel.mtu,
        uplink=tunnel.hub_uplink.name,
        mark=tunnel.hub_uplink.mark,
        number=tunnel.port,
        local=None if tunnel.hub_uplink.address is None else str(tunnel.hub_uplink.address),
        remote=None if address is None or tunnel.uplink.behind_nat else str(address),
        hub_identity=transport.hub_identity,
        branch_identity=transport.branch_identity,
        secret_file=authentication.file if isinstance(authentication, PresharedKey) else None,
        certificate_file=certificate.file if certificate else None,
        key_file=certificate.key_file if certificate else None,
        authority_file=certificate.authority if certificate else None,
        inner=transport.inner.value,
        loopback=None if pair is None else str(pair.hub),
        branch_loopback=None if pair is None else str(pair.branch),
        allowed=allowed_of(branch),
        ike=transport.ike,
        esp=transport.esp,
        version=transport.version,
        rekey_ike=round(transport.rekey_ike.total_seconds()),
        rekey_child=round(transport.rekey_child.total_seconds()),
        known_from=known_from(branch, tunnel),
    )
