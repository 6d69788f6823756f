"""A branch router's configuration: BIRD 2 with BGP and BFD on each tunnel, over a static floor.

BGP steers (preference 100). Below it lie floating static routes over every tunnel, guarded by BFD where the tunnel has
it, one that nothing guards, and an `unreachable`, so that the branch stays reachable when BGP is not there and leaks
nothing when no tunnel is. The floor of IPv6 has no guard: the hub speaks BFD with the tunnel's IPv4 addresses only.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.lab.network import Branch, Network, Tunnel, of_version

HIGHEST_FLOOR = 90
"""Preference of the first floor; BGP's is 100, each floor after the first has one less."""
UNGUARDED_FLOOR = 5
NO_FLOOR = 1


def bird_config(network: Network, branch: Branch, password: str | None = None) -> str:
    """The text of bird.conf for this branch (BIRD 2.0 and later); `password` signs its sessions' segments."""
    blocks = [
        f"# The router of {branch.name} in the lab.",
        f"log stderr all;\nrouter id {branch.router_id};",
        "protocol device {\n}",
        *(_kernel(version) for version in branch.versions),
        *(_lan(branch, version) for version in branch.versions),
        *(floor for version in branch.versions for floor in _floors(branch, version)),
        *_bfd(branch),
        *(_bgp(network, branch, number, tunnel, password) for number, tunnel in enumerate(branch.tunnels, 1)),
    ]
    return "\n\n".join(blocks) + "\n"


def _kernel(version: int) -> str:
    return (
        "protocol kernel {\n"
        "    merge paths off;\n"
        f'    ipv{version} {{ import none; export where source = RTS_BGP || proto ~ "floor*"; }};\n'
        "}"
    )


def _lan(branch: Branch, version: int) -> str:
    routes = "\n".join(f"    route {prefix} unreachable;" for prefix in of_version(version, branch.prefixes))
    comment = "# What BGP announces; the kernel has the local network itself."
    return f"{comment}\nprotocol static {_name('lan', version)} {{\n    ipv{version};\n{routes}\n}}"


def _floors(branch: Branch, version: int) -> Iterator[str]:
    for number, tunnel in enumerate(branch.tunnels, 1):
        guard = " bfd" * (tunnel.bfd and version == 4)
        yield _floor(branch, version, f"floor{number}", HIGHEST_FLOOR - number + 1, _via(tunnel, version) + guard)
    if branch.tunnels and version == 4:
        yield _floor(branch, version, "floor_unguarded", UNGUARDED_FLOOR, _via(branch.tunnels[0], version))
    yield _floor(branch, version, "floor_none", NO_FLOOR, "unreachable")


def _via(tunnel: Tunnel, version: int) -> str:
    return f"via {tunnel.hub_end(version)}"


def _floor(branch: Branch, version: int, name: str, preference: int, target: str) -> str:
    routes = "".join(f"    route {prefix} {target};\n" for prefix in of_version(version, branch.reaches))
    return f"protocol static {_name(name, version)} {{\n    ipv{version} {{ preference {preference}; }};\n{routes}}}"


def _name(name: str, version: int) -> str:
    return name if version == 4 else f"{name}_ipv6"


def _bfd(branch: Branch) -> list[str]:
    lines = [
        f'    interface "{tunnel.branch_interface}" {{ {_timers(tunnel)} }};' for tunnel in branch.tunnels if tunnel.bfd
    ]
    return ["protocol bfd {\n" + "\n".join(lines) + "\n}"] if lines else []


def _timers(tunnel: Tunnel) -> str:
    milliseconds, rest = divmod(tunnel.interval_us, 1000)
    interval = f"{tunnel.interval_us} us" if rest else f"{milliseconds} ms"
    return f"interval {interval}; multiplier {tunnel.multiplier};"


def _bgp(network: Network, branch: Branch, number: int, tunnel: Tunnel, password: str | None) -> str:
    return (
        f"protocol bgp hub{number} {{    # {tunnel.name}\n"
        f"    local {tunnel.branch_link} as {branch.asn};\n"
        f"    neighbor {tunnel.hub_link} as {network.hub.asn};\n"
        f'    interface "{tunnel.branch_interface}";\n'
        "    direct;\n"
        + (f'    password "{password}";\n' if password else "")
        + "    ttl security on;\n" * branch.ttl_security
        + "    hold time 9;\n"
        "    keepalive time 3;\n"
        "    connect delay time 1;\n"
        "    connect retry time 1;\n"
        "    error wait time 1, 2;\n"
        "    error forget time 5;\n"
        + "    bfd on;\n" * tunnel.bfd
        + "".join(_channel(tunnel, version) for version in branch.versions)
        + "}"
    )


def _channel(tunnel: Tunnel, version: int) -> str:
    """IPv6 goes over the IPv4 session, so that its next hop has to be said."""
    return (
        f"    ipv{version} {{\n"
        "        import all;\n"
        f'        export where proto = "{_name("lan", version)}";\n'
        f"        next hop {'self' if version == 4 else f'address {tunnel.branch_link6}'};\n"
        "    };\n"
    )
