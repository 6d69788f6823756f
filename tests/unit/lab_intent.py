"""Two branches for the lab's unit tests: bandung with BFD, tegal without and with a metered uplink."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import small_network
from small_network import a_branch, a_network, a_tunnel

from policies.model.intent import Branch, HubUplink, Intent, Liveness, LivenessMethod, Tunnel, Uplink

UPLINKS = {**small_network.HUB_UPLINKS, "biznet": HubUplink("biznet", "biznet", None, None)}
"""The second one's interface is not written."""
HUB = replace(small_network.HUB, uplinks=UPLINKS)


def tunnel(name: str, number: int, uplink: Uplink, method: LivenessMethod = LivenessMethod.BFD) -> Tunnel:
    """A tunnel whose link, port and interface follow from its number."""
    branch, _, own = name.partition("/")
    timers = replace(small_network.FAST, method=method)
    hub_uplink = UPLINKS["telkom" if uplink.isp == "telkom" else "biznet"]
    made = a_tunnel(branch, own, number)
    return replace(made, uplink=uplink, hub_uplink=hub_uplink, liveness=Liveness(timers, timers))


def branch(name: str, number: int, *tunnels: Tunnel) -> Branch:
    """A branch with one /24."""
    return replace(a_branch(name, (), number), tunnels=tunnels)


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
    return replace(a_network(*chosen), hub=HUB)


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
