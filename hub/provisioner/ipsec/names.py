"""By what our things are known on the machine: connections in charon, interfaces, loopback addresses, routes."""

from __future__ import annotations

SLICE = "ipsec"
LOOPBACK_LABEL = "lo:pointsman"
"""Of our addresses on `lo`: an address cannot have an alias, and before Linux 5.18 no protocol either."""
GUARD_METRIC = 4_294_967_294
"""Of the routes that keep cleartext in: worse than anybody else's."""
INNER_MODULES = {"gre": "ip_gre", "vxlan": "vxlan", "xfrm": "xfrm_interface"}
"""Of the kinds of interfaces that are made of IPsec: the kernel's module of each."""
INNER_KINDS = frozenset(INNER_MODULES)
VXLAN_PORT = 4789
"""IANA's (RFC 7348)."""
_PREFIX = "pointsman-"


def connection_name(network: str, tunnel: str) -> str:
    """The connection, and its child, of a tunnel like `bandung/fiber`: `pointsman-kencana.bandung.fiber`."""
    return f"{_PREFIX}{network}.{tunnel.replace('/', '.')}"


def tunnel_of(network: str, connection: str) -> str | None:
    """The tunnel of a connection of ours; None where the connection is not ours, or another network's."""
    before, branch, tunnel = (*connection.split(".", 2), "", "")[:3]
    if before != f"{_PREFIX}{network}" or not branch or not tunnel:
        return None
    return f"{branch}/{tunnel}"
