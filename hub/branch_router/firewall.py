"""A branch router's filter of what concerns its tunnels, as a file for nft(8), in a table of its own.

It only takes away: in nftables a packet that one table accepts is still dropped by another. So it can stand beside any
firewall, and what that drops must be let in there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.branch_router.end import BranchEnd, TunnelEnd, of_version
from hub.branch_router.inner import VXLAN_PORT

TABLE = "inet pointsman"
IPV4_AND_TCP, IPV6_AND_TCP = 40, 60
"""Bytes of headers, which the MSS leaves out (RFC 9293 section 3.7.1)."""
_FAMILY = {4: "ip", 6: "ip6"}
_PROTOCOL = {4: "ipv4", 6: "ipv6"}


def firewall_config(end: BranchEnd) -> str:
    """The text of the file; loaded again, it replaces what it made, in one step."""
    chains = [
        ("input", "input", "filter", [*_outer(end), *_inner(end), *_routing(end)]),
        ("output", "output", "filter", list(_in_clear(end))),
        ("forward", "forward", "filter", list(_forwarded(end))),
        ("clamp", "forward", "mangle", list(_clamped(end))),
    ]
    body = "\n".join(_chain(*chain) for chain in chains if chain[3])
    heading = (
        f"# What concerns the tunnels of {end.name}. It only drops: what another table drops must be let in there,\n"
        "# that is UDP of the tunnels from the hub, and through the tunnels BGP (179/tcp), BFD (3784/udp) and ICMP.\n"
    )
    return f"{heading}table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}}}\n"


def _chain(name: str, hook: str, priority: str, rules: Sequence[str]) -> str:
    lines = [f"type filter hook {hook} priority {priority}; policy accept;", *rules]
    return f"    chain {name} {{\n" + "".join(f"        {line}\n" for line in lines) + "    }\n"


def _outer(end: BranchEnd) -> Iterator[str]:
    """What carries the tunnels comes from the hub's address and from nowhere else, where that is known."""
    for tunnel, _ in end.wireguard():
        if tunnel.endpoint_address is None:
            yield f"# {tunnel.name}: the hub's end is a name, so that port {tunnel.port} is open to all"
        else:
            yield f'udp dport {tunnel.port} ip saddr != {tunnel.endpoint_address} drop comment "{tunnel.name}"'
            yield f'udp dport {tunnel.port} meta nfproto ipv6 drop comment "{tunnel.name}"'
    known = [tunnel.endpoint_address for tunnel, _ in end.ipsec()]
    hubs = sorted({address for address in known if address is not None})
    if known and None not in known:
        yield "# other IKE peers of this router, if there are any, belong into these addresses"
        yield f"udp dport {{ 500, 4500 }} ip saddr != {_set(hubs)} drop"


def _inner(end: BranchEnd) -> Iterator[str]:
    """What is made of IPsec comes out of IPsec."""
    for tunnel, carrier in end.ipsec():
        if (what := _inner_packets(carrier.inner)) is not None:
            yield f'ip saddr {carrier.hub_loopback} {what} meta ipsec missing drop comment "{tunnel.name}"'


def _in_clear(end: BranchEnd) -> Iterator[str]:
    for tunnel, carrier in end.ipsec():
        if (what := _inner_packets(carrier.inner)) is not None:
            yield f'ip daddr {carrier.hub_loopback} {what} rt ipsec missing drop comment "{tunnel.name}"'


def _inner_packets(inner: str) -> str | None:
    return {"gre": "ip protocol gre", "vxlan": f"udp dport {VXLAN_PORT}"}.get(inner)


def _routing(end: BranchEnd) -> Iterator[str]:
    """BGP and BFD are spoken inside the tunnels only, with the hub's end only."""
    yield "iif lo accept"
    for tunnel in end.tunnels:
        yield f'iifname "{tunnel.interface}" ip saddr {tunnel.hub_link} tcp dport 179 accept'
        if tunnel.bfd:
            yield f'iifname "{tunnel.interface}" ip saddr {tunnel.hub_link} udp dport {{ 3784, 3785 }} accept'
    yield "tcp dport 179 drop"
    yield "udp dport { 3784, 3785, 4784 } drop"


def _forwarded(end: BranchEnd) -> Iterator[str]:
    """Between the local network and the tunnels; whatever else came here, the hub would drop."""
    tunnels = _interfaces(end.tunnels)
    for version in (4, 6):
        own = of_version(version, end.prefixes)
        if own:
            yield f"oifname {tunnels} {_FAMILY[version]} saddr != {_set(own)} drop"
            yield f"iifname {tunnels} {_FAMILY[version]} daddr != {_set(own)} drop"
        else:
            yield f"meta nfproto {_PROTOCOL[version]} oifname {tunnels} drop"
            yield f"meta nfproto {_PROTOCOL[version]} iifname {tunnels} drop"


def _clamped(end: BranchEnd) -> Iterator[str]:
    """The largest segment that passes the tunnel whole, said in both directions; a smaller one stays."""
    for tunnel in end.tunnels:
        for direction in ("oifname", "iifname"):
            for version, headers in ((4, IPV4_AND_TCP), (6, IPV6_AND_TCP)):
                if version in end.versions:
                    select = f'{direction} "{tunnel.interface}" meta nfproto {_PROTOCOL[version]}'
                    yield f"{select} tcp flags syn tcp option maxseg size set {tunnel.mtu - headers}"


def _interfaces(tunnels: Sequence[TunnelEnd]) -> str:
    return _set([f'"{tunnel.interface}"' for tunnel in tunnels])


def _set(members: Sequence[str]) -> str:
    return f"{{ {', '.join(members)} }}"
