"""The table that lowers the MSS of TCP connections through tunnels to what their MTU has room for. Pure.

Path MTU discovery needs ICMP, which many firewalls drop: then a connection opens and hangs with its first full packet.
The option is lowered in both SYNs. `rt mtu` is the smaller one of the MTU towards the destination and that back to the
source (nft_rt.c of the kernel), so that it is the tunnel's in either direction, and it never makes the option larger.
"""

from __future__ import annotations

from hub.provisioner.wanted import Wanted

SLICE = "mss"
TABLE = "pointsman_mss"
_SYN = "tcp flags & (syn | rst) == syn"
_CLAMP = "tcp option maxseg size set rt mtu"


def table_body(wanted: Wanted) -> str:
    """The table as nftables is given it (nft(8)); "" where there is no tunnel that we make."""
    interfaces = sorted(tunnel.interface for tunnel in wanted.tunnels())
    if not interfaces:
        return ""
    names = ", ".join(f'"{interface}"' for interface in interfaces)
    return (
        f"  set tunnels {{ type ifname; elements = {{ {names} }} }}\n"
        "  chain forward {\n"
        "    type filter hook forward priority -150; policy accept;\n"
        f"    iifname @tunnels {_SYN} {_CLAMP}\n"
        f"    oifname @tunnels {_SYN} {_CLAMP}\n"
        "  }\n"
    )
