"""A branch router's configuration: BIRD 2 with BGP and BFD on each tunnel, over a static floor.

BGP steers (preference 100). Below it lie floating static routes over every tunnel, guarded by BFD where the tunnel has
it, one that nothing guards, and an `unreachable`, so that the branch stays reachable when BGP is not there and leaks
nothing when no tunnel is. The floor of IPv6 has no guard: the hub speaks BFD with the tunnel's IPv4 addresses only.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.branch_router.end import BranchEnd, TunnelEnd, of_version
from hub.branch_router.secrets import NO_SECRETS, Secrets

HIGHEST_FLOOR = 90
"""Preference of the first floor; BGP's is 100, each floor after the first has one less."""
UNGUARDED_FLOOR = 5
NO_FLOOR = 1


def bird_config(end: BranchEnd, secrets: Secrets = NO_SECRETS) -> str:
    """The text of bird.conf for this branch (BIRD 2.0 and later)."""
    blocks = [
        f"# The router of {end.name}. Nothing else is put into the kernel or taken from it: other routes stay.",
        f"log stderr all;\nrouter id {end.router_id};",
        "\n".join(line for version in end.versions for line in _prefix_sets(end, version)),
        "protocol device {\n}",
        *(_kernel(version) for version in end.versions),
        *(_lan(end, version) for version in end.versions),
        *(floor for version in end.versions for floor in _floors(end, version)),
        *_bfd(end),
        *(_bgp(end, number, tunnel, secrets) for number, tunnel in enumerate(end.tunnels, 1)),
    ]
    return "\n\n".join(blocks) + "\n"


def _prefix_sets(end: BranchEnd, version: int) -> Iterator[str]:
    """What the hub may announce, and what it may not: parts of them too, for a rule may steer a part."""
    for name, prefixes in (("of_hub", end.reaches), ("own", end.prefixes)):
        written = ", ".join(f"{prefix}+" for prefix in of_version(version, prefixes))
        if written:
            yield f"define {_name(name, version)} = [ {written} ];"


def _kernel(version: int) -> str:
    return (
        "protocol kernel {\n"
        "    merge paths off;\n"
        f'    ipv{version} {{ import none; export where source = RTS_BGP || proto ~ "floor*"; }};\n'
        "}"
    )


def _lan(end: BranchEnd, version: int) -> str:
    routes = "\n".join(f"    route {prefix} unreachable;" for prefix in of_version(version, end.prefixes))
    comment = "# What BGP announces; the kernel has the local network itself."
    return f"{comment}\nprotocol static {_name('lan', version)} {{\n    ipv{version};\n{routes}\n}}"


def _floors(end: BranchEnd, version: int) -> Iterator[str]:
    for number, tunnel in enumerate(end.tunnels, 1):
        guard = " bfd" * (tunnel.bfd and version == 4)
        yield _floor(end, version, f"floor{number}", HIGHEST_FLOOR - number + 1, _via(tunnel, version) + guard)
    if end.tunnels and version == 4:
        yield _floor(end, version, "floor_unguarded", UNGUARDED_FLOOR, _via(end.tunnels[0], version))
    yield _floor(end, version, "floor_none", NO_FLOOR, "unreachable")


def _via(tunnel: TunnelEnd, version: int) -> str:
    return f"via {tunnel.hub_end(version)}"


def _floor(end: BranchEnd, version: int, name: str, preference: int, target: str) -> str:
    routes = "".join(f"    route {prefix} {target};\n" for prefix in of_version(version, end.reaches))
    return f"protocol static {_name(name, version)} {{\n    ipv{version} {{ preference {preference}; }};\n{routes}}}"


def _name(name: str, version: int) -> str:
    return name if version == 4 else f"{name}_ipv6"


def _bfd(end: BranchEnd) -> list[str]:
    lines = [f'    interface "{tunnel.interface}" {{ {_timers(tunnel)} }};' for tunnel in end.tunnels if tunnel.bfd]
    return ["protocol bfd {\n" + "\n".join(lines) + "\n}"] if lines else []


def _timers(tunnel: TunnelEnd) -> str:
    milliseconds, rest = divmod(tunnel.interval_us, 1000)
    interval = f"{tunnel.interval_us} us" if rest else f"{milliseconds} ms"
    return f"interval {interval}; multiplier {tunnel.multiplier};"


def _bgp(end: BranchEnd, number: int, tunnel: TunnelEnd, secrets: Secrets) -> str:
    return (
        f"protocol bgp hub{number} {{    # {tunnel.name}\n"
        f"    local {tunnel.own_link} as {end.asn};\n"
        f"    neighbor {tunnel.hub_link} as {end.hub_asn};\n"
        f'    interface "{tunnel.interface}";\n'
        "    direct;\n"
        + (f'    password "{secrets.password_of(end.name)}";\n' if end.signed else "")
        + "    ttl security on;\n" * end.ttl_security
        + "    hold time 9;\n"
        "    keepalive time 3;\n"
        "    connect delay time 1;\n"
        "    connect retry time 1;\n"
        "    error wait time 1, 2;\n"
        "    error forget time 5;\n"
        + "    bfd on;\n" * tunnel.bfd
        + "".join(_channel(end, tunnel, version) for version in end.versions)
        + "}"
    )


def _channel(end: BranchEnd, tunnel: TunnelEnd, version: int) -> str:
    """IPv6 goes over the IPv4 session, so that its next hop has to be said."""
    heard = f"where net ~ {_name('of_hub', version)} && !(net ~ {_name('own', version)})"
    return (
        f"    ipv{version} {{\n"
        f"        import {heard if of_version(version, end.reaches) else 'none'};\n"
        f'        export where proto = "{_name("lan", version)}";\n'
        f"        next hop {'self' if version == 4 else f'address {tunnel.own_link6}'};\n"
        "    };\n"
    )
