"""The hubs that are compared, and the configurations of those that are not Pointsman.

The same for all: the lab, both tunnels, the branch and the text of its router's configuration (for a hub with BFD, BFD
on both sessions and on the guarded floor below; for one without, none), the addresses, the BGP timers (hold 9 s,
keepalive 3 s, reconnecting after 1 s), interval and multiplier of liveness, and what is announced. BIRD and FRR prefer
the fiber tunnel by local preference, and tell the branch to by MED, as Pointsman does. Graceful restart is off: with it
a branch would keep the routes of a peer that it lost.

The branch's router and the lines (wireguard-go) stand for other machines and run at real-time priority with every hub.

What differs: Pointsman runs as `pointsman run` starts it as root, its processes at real-time priority; BIRD and FRR
run as their packages start them, at the ordinary one, or like Pointsman's with `--real-time`. Pointsman moves the
branch by what it announces over the tunnel that is left, BIRD and FRR leave the branch to its own BFD or hold timer.
Pointsman waits 2 s before it goes back to a tunnel; BIRD and FRR go back when the session does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.lab.names import LabPlace
from hub.lab.network import BIRD, FRR, HUB, Branch, Network, Tunnel

POINTSMAN = "pointsman"
FIRST_MED = 100
FIRST_LOCAL_PREFERENCE = 200
HOLD_SECONDS, KEEPALIVE_SECONDS = 9, 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A Kind is one of the hubs: its program, whether it speaks BFD, whether Pointsman confirms by probes.

    `echo`: Pointsman asks for an ICMP echo every interval beside BFD, to find cuts of either direction.
    """

    name: str
    program: str
    bfd: bool = True
    confirm: bool = True
    echo: bool = False

    @property
    def is_pointsman(self) -> bool:
        return self.program == POINTSMAN

    @property
    def slow(self) -> bool:
        """Whether only the hold timer tells it of a dead tunnel."""
        return not self.is_pointsman and not self.bfd


KINDS = {
    kind.name: kind
    for kind in (
        Kind("pointsman", POINTSMAN),
        Kind("pointsman-plain", POINTSMAN, confirm=False),
        Kind("pointsman-echo", POINTSMAN, echo=True),
        Kind("bird", BIRD),
        Kind("frr", FRR),
        Kind("bird-no-bfd", BIRD, bfd=False),
        Kind("frr-no-bfd", FRR, bfd=False),
    )
}

USUAL = tuple(name for name, kind in KINDS.items() if not kind.echo)
"""The hubs of a run that does not name any."""


def liveness_of(kind: Kind, wanted: str) -> str:
    """The method of liveness in the configuration for this hub: `bfd` only where both ends speak it."""
    return wanted if kind.is_pointsman or kind.bfd else "icmp"


def hub_as_router(network: Network, program: str) -> Branch:
    """The hub as a router of the lab, so that the lab starts its program; it has no tunnels of its own to wait for."""
    hub = network.hub
    return Branch(HUB, hub.asn, hub.router_id, hub.prefixes, hub.lan, (), (), router=program)


def write_hub_configuration(place: LabPlace, network: Network, kind: Kind) -> None:
    """Write what the hub's BIRD or FRR reads, where the lab looks for it."""
    if kind.program == BIRD:
        _write(place.bird_config(HUB), bird_hub(network, bfd=kind.bfd))
        return
    Path("/run/frr").mkdir(mode=0o755, exist_ok=True)
    place.frr(HUB).mkdir(parents=True)
    _write(place.frr_config(HUB), frr_hub(network, bfd=kind.bfd))
    if not place.frr_groups.exists():
        _write(place.frr_groups, "root:x:0:\nfrr:x:0:\nfrrvty:x:0:\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def bird_hub(network: Network, *, bfd: bool) -> str:
    """The text of bird.conf for the hub; its log has the seconds since 1970 with microseconds."""
    (branch,) = network.branches
    blocks = [
        f'log stderr all;\ntimeformat log "%s.%6f";\nrouter id {network.hub.router_id};',
        "protocol device {\n}",
        "protocol kernel {\n    merge paths off;\n    ipv4 { import none; export where source = RTS_BGP; };\n}",
        "protocol static lan {\n    ipv4;\n"
        + "".join(f"    route {prefix} unreachable;\n" for prefix in branch.reaches)
        + "}",
        *([_bird_bfd(branch)] if bfd else []),
        *(_bird_session(network, branch, rank, tunnel, bfd=bfd) for rank, tunnel in enumerate(branch.tunnels)),
    ]
    return "\n\n".join(blocks) + "\n"


def _bird_bfd(branch: Branch) -> str:
    timers = [f"interval {tunnel.interval_us} us; multiplier {tunnel.multiplier};" for tunnel in branch.tunnels]
    lines = "".join(
        f'    interface "{tunnel.hub_interface}" {{ {its} }};\n'
        for tunnel, its in zip(branch.tunnels, timers, strict=True)
    )
    return f"protocol bfd {{\n    debug {{ states, events }};\n{lines}}}"


def _bird_session(network: Network, branch: Branch, rank: int, tunnel: Tunnel, *, bfd: bool) -> str:
    return (
        f"protocol bgp {bird_session_name(tunnel)} {{\n"
        "    debug { states, events };\n"
        f"    local {tunnel.hub_link} as {network.hub.asn};\n"
        f"    neighbor {tunnel.branch_link} as {branch.asn};\n"
        f'    interface "{tunnel.hub_interface}";\n'
        "    direct;\n"
        "    graceful restart off;\n"
        f"    hold time {HOLD_SECONDS};\n"
        f"    keepalive time {KEEPALIVE_SECONDS};\n"
        "    connect delay time 1;\n"
        "    connect retry time 1;\n"
        "    error wait time 1, 2;\n"
        "    error forget time 5;\n"
        + "    bfd on;\n" * bfd
        + "    ipv4 {\n"
        + f"        import filter {{ bgp_local_pref = {FIRST_LOCAL_PREFERENCE - rank}; accept; }};\n"
        + "        export filter {\n"
        + f'            if proto = "lan" then {{ bgp_med = {FIRST_MED * (rank + 1)}; accept; }}\n'
        + "            reject;\n"
        "        };\n" + "        next hop self;\n"
        "    };\n"
        "}"
    )


def bird_session_name(tunnel: Tunnel) -> str:
    """What the hub's BIRD calls its session over this tunnel; `wireless` alone is a word of its language."""
    return f"over_{tunnel.hub_interface.replace('-', '_')}"


def frr_hub(network: Network, *, bfd: bool) -> str:
    """The text of frr.conf for the hub; its logs have microseconds, and bfdd's tells of every change of a session."""
    return "".join(f"{line}\n" for line in _frr_lines(network, bfd=bfd))


def _frr_lines(network: Network, *, bfd: bool) -> Iterator[str]:
    (branch,) = network.branches
    yield "log timestamp precision 6"
    yield "debug bfd peer"
    if bfd:
        yield from _frr_profiles(branch)
    for rank in range(len(branch.tunnels)):
        yield from (f"route-map in{rank} permit 10", f" set local-preference {FIRST_LOCAL_PREFERENCE - rank}", "exit")
        yield from (f"route-map out{rank} permit 10", f" set metric {FIRST_MED * (rank + 1)}", "exit")
    yield f"router bgp {network.hub.asn}"
    yield f" bgp router-id {network.hub.router_id}"
    yield " bgp graceful-restart-disable"
    yield " bgp log-neighbor-changes"
    yield " no bgp ebgp-requires-policy"
    yield " no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    for tunnel in branch.tunnels:
        yield from _frr_neighbor(branch, tunnel, bfd=bfd)
    yield " address-family ipv4 unicast"
    yield from (f"  network {prefix}" for prefix in branch.reaches)
    yield "  maximum-paths 1"
    for rank, tunnel in enumerate(branch.tunnels):
        neighbor = f"  neighbor {tunnel.branch_link}"
        yield from (f"{neighbor} activate", f"{neighbor} next-hop-self")
        yield from (f"{neighbor} route-map in{rank} in", f"{neighbor} route-map out{rank} out")
    yield " exit-address-family"
    yield "exit"


def _frr_profiles(branch: Branch) -> Iterator[str]:
    """FRR's intervals are whole milliseconds, so others are rounded up."""
    yield "bfd"
    for tunnel in branch.tunnels:
        interval = -(-tunnel.interval_us // 1000)
        yield f" profile {tunnel.hub_interface}"
        yield f"  transmit-interval {interval}"
        yield f"  receive-interval {interval}"
        yield f"  detect-multiplier {tunnel.multiplier}"
        yield " exit"
    yield "exit"


def _frr_neighbor(branch: Branch, tunnel: Tunnel, *, bfd: bool) -> Iterator[str]:
    neighbor = f" neighbor {tunnel.branch_link}"
    yield f"{neighbor} remote-as {branch.asn}"
    yield f"{neighbor} update-source {tunnel.hub_link}"
    yield f"{neighbor} timers {KEEPALIVE_SECONDS} {HOLD_SECONDS}"
    yield f"{neighbor} timers connect 1"
    yield f"{neighbor} advertisement-interval 0"
    if bfd:
        yield f"{neighbor} bfd"
        yield f"{neighbor} bfd profile {tunnel.hub_interface}"
