"""A branch of the lab as its own router sees it: the lab's addresses and marks, in the form that real branches have."""

from __future__ import annotations

from hub.branch_router.end import BranchEnd, TunnelEnd, UplinkEnd, WireGuardEnd
from hub.branch_router.secrets import Secrets
from hub.branch_router.wg_quick import wg_quick_config
from hub.lab.network import Branch, Network, Tunnel, Uplink
from hub.lab.wireguard import KeyPair


def end_of(network: Network, branch: Branch) -> BranchEnd:
    """What the branch's router must be told, in the lab."""
    return BranchEnd(
        name=branch.name,
        asn=branch.asn,
        router_id=branch.router_id,
        prefixes=branch.prefixes,
        hub=network.hub.name,
        hub_asn=network.hub.asn,
        reaches=branch.reaches,
        uplinks=tuple(map(_uplink, branch.uplinks)),
        tunnels=tuple(map(_tunnel, branch.tunnels)),
        router=branch.router,
        signed=branch.password_file is not None,
        ttl_security=branch.ttl_security,
    )


def tunnel_text(end: BranchEnd, name: str, own: KeyPair, hub: str) -> str:
    """The file of wg-quick for one of its WireGuard tunnels, with its keys."""
    secrets = Secrets(private={name: own.private}, hub_public={name: hub})
    return next(
        wg_quick_config(end, tunnel, carrier, secrets) for tunnel, carrier in end.wireguard() if tunnel.name == name
    )


def _uplink(uplink: Uplink) -> UplinkEnd:
    return UplinkEnd(uplink.name, uplink.isp, uplink.interface, uplink.gateway, uplink.address, uplink.mark)


def _tunnel(tunnel: Tunnel) -> TunnelEnd:
    return TunnelEnd(
        name=tunnel.name,
        uplink=tunnel.uplink,
        hub_uplink="",
        interface=tunnel.branch_interface,
        hub_link=tunnel.hub_link,
        own_link=tunnel.branch_link,
        endpoint=tunnel.endpoint,
        port=tunnel.port,
        bfd=tunnel.bfd,
        interval_us=tunnel.interval_us,
        multiplier=tunnel.multiplier,
        hub_link6=tunnel.hub_link6,
        own_link6=tunnel.branch_link6,
        mtu=tunnel.mtu,
        carrier=WireGuardEnd() if tunnel.ipsec is None else tunnel.ipsec,
    )
