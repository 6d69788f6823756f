"""The interfaces that are made of a branch's IPsec tunnels, as a script for sh with iproute2.

GRE or VXLAN between two loopback addresses, which is what IPsec protects, or an XFRM interface. A route that leads
nowhere stands below charon's own (which is in its table 220), so that nothing for the hub's loopback leaves in clear.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.branch_router.end import BranchEnd, IpsecEnd, TunnelEnd, version_of

VXLAN_PORT = 4789
"""IANA's (RFC 7348)."""
GUARD_METRIC = 4_294_967_294
"""Worse than that of any other route."""


def inner_script(end: BranchEnd) -> str:
    """The text of the script; run again, it changes nothing."""
    lines = ["#!/bin/sh", f"# The interfaces of {end.name}'s IPsec tunnels. Run again, it changes nothing.", "set -eu"]
    for tunnel, carrier in end.ipsec():
        lines += ["", f"# {tunnel.name}", *_tunnel(tunnel, carrier)]
    return "".join(f"{line}\n" for line in lines)


def _tunnel(tunnel: TunnelEnd, carrier: IpsecEnd) -> Iterator[str]:
    name = tunnel.interface
    if carrier.own_loopback is not None:
        yield f"ip address replace {carrier.own_loopback}/32 dev lo"
        yield f"ip route replace unreachable {carrier.hub_loopback}/32 metric {GUARD_METRIC}"
    yield f"ip link show dev {name} >/dev/null 2>&1 || ip link add name {name} type {_kind(carrier)}"
    if tunnel.own_link6 is not None:
        yield f"echo 0 >/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
    yield f"ip link set dev {name} mtu {tunnel.mtu} up"
    for address in tunnel.addresses:
        yield f"ip address replace {address} dev {name}{' nodad' * (version_of(address) == 6)}"
    yield f"echo 2 >/proc/sys/net/ipv4/conf/{name}/rp_filter"


def _kind(carrier: IpsecEnd) -> str:
    ends = f"local {carrier.own_loopback} remote {carrier.hub_loopback}"
    match carrier.inner:
        case "xfrm":
            return f"xfrm if_id {carrier.number}"
        case "vxlan":
            return f"vxlan id {carrier.number} {ends} dstport {VXLAN_PORT}"
        case _:
            # Rather fragmented than lost where the path is narrower; with a TTL of its own it would forbid fragments.
            return f"gre {ends} nopmtudisc"
