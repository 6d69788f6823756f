"""The branch router's configuration: BIRD 2 with BGP and BFD on each tunnel, over a static floor.

BGP steers (preference 100). Below it lie floating static routes over every tunnel, guarded by BFD where the tunnel has
it, one that nothing guards, and an `unreachable`, so that the branch stays reachable when BGP is not there and leaks
nothing when no tunnel is.
"""

from __future__ import annotations

from hub.lab.network import Branch, Network, Tunnel

HIGHEST_FLOOR = 90
"""Preference of the first floor; BGP's is 100, each floor after the first has one less."""
UNGUARDED_FLOOR = 5
NO_FLOOR = 1


def bird_config(network: Network, branch: Branch) -> str:
    """The text of bird.conf for this branch (BIRD 2.0 and later)."""
    blocks = [
        f"# The router of {branch.name} in the lab.",
        f"log stderr all;\nrouter id {branch.router_id};",
        "protocol device {\n}",
        _kernel(),
        _lan(branch),
        *_floors(network, branch),
        *_bfd(branch),
        *(_bgp(network, branch, number, tunnel) for number, tunnel in enumerate(branch.tunnels, 1)),
    ]
    return "\n\n".join(blocks) + "\n"


def _kernel() -> str:
    return (
        "protocol kernel {\n"
        "    merge paths off;\n"
        '    ipv4 { import none; export where source = RTS_BGP || proto ~ "floor*"; };\n'
        "}"
    )


def _lan(branch: Branch) -> str:
    routes = "\n".join(f"    route {prefix} unreachable;" for prefix in branch.prefixes)
    comment = "# What BGP announces; the kernel has the local network itself."
    return f"{comment}\nprotocol static lan {{\n    ipv4;\n{routes}\n}}"


def _floors(network: Network, branch: Branch) -> list[str]:
    floors = [
        _floor(network, f"floor{number}", HIGHEST_FLOOR - number + 1, f"via {tunnel.hub_link}{' bfd' * tunnel.bfd}")
        for number, tunnel in enumerate(branch.tunnels, 1)
    ]
    if branch.tunnels:
        floors.append(_floor(network, "floor_unguarded", UNGUARDED_FLOOR, f"via {branch.tunnels[0].hub_link}"))
    return [*floors, _floor(network, "floor_none", NO_FLOOR, "unreachable")]


def _floor(network: Network, name: str, preference: int, target: str) -> str:
    routes = "\n".join(f"    route {prefix} {target};" for prefix in network.hub.prefixes)
    return f"protocol static {name} {{\n    ipv4 {{ preference {preference}; }};\n{routes}\n}}"


def _bfd(branch: Branch) -> list[str]:
    lines = [
        f'    interface "{tunnel.branch_interface}" {{ {_timers(tunnel)} }};' for tunnel in branch.tunnels if tunnel.bfd
    ]
    return ["protocol bfd {\n" + "\n".join(lines) + "\n}"] if lines else []


def _timers(tunnel: Tunnel) -> str:
    milliseconds, rest = divmod(tunnel.interval_us, 1000)
    interval = f"{tunnel.interval_us} us" if rest else f"{milliseconds} ms"
    return f"interval {interval}; multiplier {tunnel.multiplier};"


def _bgp(network: Network, branch: Branch, number: int, tunnel: Tunnel) -> str:
    return (
        f"protocol bgp hub{number} {{    # {tunnel.name}\n"
        f"    local {tunnel.branch_link} as {branch.asn};\n"
        f"    neighbor {tunnel.hub_link} as {network.hub.asn};\n"
        f'    interface "{tunnel.branch_interface}";\n'
        "    direct;\n"
        "    hold time 9;\n"
        "    keepalive time 3;\n"
        "    connect delay time 1;\n"
        "    connect retry time 1;\n"
        "    error wait time 1, 2;\n"
        "    error forget time 5;\n" + "    bfd on;\n" * tunnel.bfd + "    ipv4 {\n"
        "        import all;\n"
        '        export where proto = "lan";\n'
        "        next hop self;\n"
        "    };\n"
        "}"
    )
