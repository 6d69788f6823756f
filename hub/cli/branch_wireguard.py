"""The branch's end of a WireGuard tunnel as text, with its keys."""

from __future__ import annotations

from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.wireguard.files import BranchEnd, branch_text
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.transport import WireGuard

FIRST_MARK = 101
"""The mark of a branch's first uplink."""


def branch_wireguard(intent: Intent, tunnel: str, keys: TunnelKeys, *, plain: bool) -> str:
    """The text for wg-quick, or with `plain` for `wg syncconf`."""
    found = intent.tunnels()[TunnelId.parse(tunnel)]
    link, transport = found.link, found.transport
    ipv6 = [] if link.branch6 is None else [f"{link.branch6}/127"]
    keepalive = transport.keepalive if isinstance(transport, WireGuard) else WireGuard().keepalive
    preshared = isinstance(transport, WireGuard) and transport.preshared
    end = BranchEnd(
        own=keys.branch,
        addresses=(f"{link.branch}/31", *ipv6),
        mtu=found.mtu,
        mark=_mark(intent.branches[found.id.branch], found),
        peer=keys.hub_public,
        preshared=keys.preshared if preshared else None,
        endpoint=f"{found.hub_uplink.endpoint}:{found.port}",
        keepalive=round(keepalive.total_seconds()),
    )
    return branch_text(end, quick=not plain)


def _mark(branch: Branch, tunnel: Tunnel) -> int:
    names = list(dict.fromkeys(each.uplink.name for each in branch.tunnels))
    return FIRST_MARK + names.index(tunnel.uplink.name)
