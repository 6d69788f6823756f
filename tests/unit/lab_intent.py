"""Two branches for the lab's unit tests: bandung with BFD, tegal without and with a metered uplink."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from policies.model.ids import TunnelId
from policies.model.intent import (
    Announce,
    Branch,
    Failback,
    FailbackMode,
    Hub,
    HubUplink,
    Intent,
    Link,
    Liveness,
    LivenessMethod,
    LivenessTimers,
    Metered,
    Policy,
    Tunnel,
    Uplink,
)

POLICY = Policy(
    name="standard",
    prefer=("fiber", "wireless", "lte"),
    metered=Metered.WHEN_DEGRADED,
    failback=Failback(FailbackMode.AUTOMATIC, timedelta(seconds=60)),
    announce=Announce(first=1000, step=100, add_degraded=4000, add_drained=8000),
)
UPLINKS = {
    "telkom": HubUplink("telkom", "telkom", "eth0", "vpn1.kencana.example"),
    "biznet": HubUplink("biznet", "biznet", None, None),
}
HUB = Hub("hq", 65000, IPv4Address("10.0.0.1"), (IPv4Network("10.0.0.0/16"),), UPLINKS)


def tunnel(name: str, number: int, uplink: Uplink, method: LivenessMethod = LivenessMethod.BFD) -> Tunnel:
    """A tunnel whose link, port and interface follow from its number."""
    branch, _, own = name.partition("/")
    timers = LivenessTimers(method, timedelta(milliseconds=50), 3)
    return Tunnel(
        id=TunnelId(branch, own),
        uplink=uplink,
        hub_uplink=UPLINKS["telkom" if uplink.isp == "telkom" else "biznet"],
        link=Link(IPv4Address("10.255.0.0") + 2 * number, IPv4Address("10.255.0.1") + 2 * number),
        port=51000 + number,
        interface=f"wg{51000 + number}-{branch}"[:15],
        liveness=Liveness(timers, timers),
    )


def branch(name: str, number: int, *tunnels: Tunnel) -> Branch:
    """A branch with one /24."""
    return Branch(
        name=name,
        asn=65000 + number,
        router_id=IPv4Address(f"10.{number}.0.1"),
        timezone="Asia/Jakarta",
        prefixes=(IPv4Network(f"10.{number}.0.0/24"),),
        prefix_limit=10,
        tunnels=tunnels,
        policy=POLICY,
    )


BANDUNG = branch(
    "bandung",
    1,
    tunnel("bandung/fiber", 0, Uplink("fiber", "telkom", "fiber", metered=False)),
    tunnel("bandung/wireless", 1, Uplink("wireless", "indosat", "wireless", metered=False)),
)
TEGAL = branch(
    "tegal",
    2,
    tunnel("tegal/fiber", 2, Uplink("fiber", "indosat", "lte", metered=True), LivenessMethod.ICMP),
    tunnel("tegal/radio", 3, Uplink("radio", "telkom", "wireless", False, "ether1"), LivenessMethod.ICMP),
)


def intent(*branches: Branch) -> Intent:
    """The two branches, or others."""
    chosen = branches or (BANDUNG, TEGAL)
    return Intent("kencana", "Asia/Jakarta", HUB, {one.name: one for one in chosen})


def both_versions(one: Branch, number: int) -> Branch:
    """The same branch with an IPv6 prefix beside its IPv4 one, and links to match."""
    tunnels = tuple(
        replace(each, link=replace(each.link, hub6=_link6(number, 2 * order), branch6=_link6(number, 2 * order + 1)))
        for order, each in enumerate(one.tunnels)
    )
    return replace(one, tunnels=tunnels, prefixes=(*one.prefixes, IPv6Network(f"2001:db8:{number}::/64")))


def _link6(number: int, last: int) -> IPv6Address:
    return IPv6Address(f"fd00:255::{number}:{last}")


HUB_OF_BOTH = replace(
    HUB,
    prefixes=(IPv4Network("10.0.0.0/16"), IPv6Network("2001:db8::/64")),
    between_branches=(IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32")),
)


def renamed(one: Branch, name: str) -> Branch:
    """The same branch by another name."""
    return replace(one, name=name)
