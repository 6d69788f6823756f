"""The branch's end of a WireGuard tunnel as a file for wg-quick(8), written with the wgconfig library.

`Table = off`: no routes are made from AllowedIPs, which are everything; BGP and the static floor decide. The branch is
the one that connects. Its port is the hub's, so that its firewall, and a NAT before it, have one to remember.
"""

from __future__ import annotations

import io

import wgconfig

from hub.branch_router.end import BranchEnd, TunnelEnd, WireGuardEnd
from hub.branch_router.secrets import NO_SECRETS, Secrets

LOOSE = "sysctl -q -w net.ipv4.conf.%i.rp_filter=2"
"""While traffic moves, its two directions use different tunnels (net/ipv4/conf/*/rp_filter of Linux)."""


def wg_quick_config(end: BranchEnd, tunnel: TunnelEnd, carrier: WireGuardEnd, secrets: Secrets = NO_SECRETS) -> str:
    """The text of /etc/wireguard/INTERFACE.conf for one tunnel of this branch."""
    config, uplink = wgconfig.WGConfig(), end.uplink(tunnel.uplink)
    config.add_attr(None, "PrivateKey", secrets.private_key(tunnel.name))
    config.add_attr(None, "ListenPort", str(tunnel.port))
    if uplink.is_pinned:
        config.add_attr(None, "FwMark", str(uplink.mark))
    config.add_attr(None, "Address", ", ".join(tunnel.addresses))
    config.add_attr(None, "MTU", str(tunnel.mtu))
    config.add_attr(None, "Table", "off")
    config.add_attr(None, "PostUp", LOOSE)
    _add_hub(config, tunnel, carrier, secrets)
    text = io.StringIO()
    config.write_to_fileobj(text)
    return f"# {tunnel.name}, by uplink {uplink.name} ({uplink.isp}).\n\n{text.getvalue()}"


def _add_hub(config: wgconfig.WGConfig, tunnel: TunnelEnd, carrier: WireGuardEnd, secrets: Secrets) -> None:
    hub = secrets.hub_public_key(tunnel.name)
    config.add_peer(hub)
    if carrier.preshared:
        config.add_attr(hub, "PresharedKey", secrets.preshared_key(tunnel.name))
    config.add_attr(hub, "Endpoint", f"{tunnel.endpoint}:{tunnel.port}")
    config.add_attr(hub, "AllowedIPs", "0.0.0.0/0" if tunnel.own_link6 is None else "0.0.0.0/0, ::/0")
    if carrier.keepalive:
        config.add_attr(hub, "PersistentKeepalive", str(carrier.keepalive))
