"""Whether outer packets leave by the uplink that they are pinned to: counted by nftables, judged here. Pure.

One rule, whatever the number of tunnels: the pair of UDP source port and outgoing interface is looked up among those
that are right, and every other pair is counted. IPsec's tunnels all send from ports 500 and 4500, or ESP: they are told
apart by the address of their uplink.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.provisioner.uplinks.pins import Pin
from hub.provisioner.wanted import Wanted

TABLE = "pointsman_pins"
COUNTING = ("away", "away_addresses")
"""The sets to which the packets themselves add."""

Away = Mapping[tuple[str, str], int]
"""Packets that left by the wrong interface: by the port or address that they are from, and the interface."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A Watched is what leaves by which interface: UDP source ports of tunnels, and addresses of uplinks."""

    ports: Mapping[int, str]
    addresses: Mapping[str, str]


def watched_of(wanted: Wanted, pins: Iterable[Pin]) -> Watched:
    """What is to be watched: each tunnel whose uplink is pinned."""
    by_uplink = {pin.uplink: pin for pin in pins}
    ports = {each.port: by_uplink[each.uplink].interface for each in wanted.wireguard if each.uplink in by_uplink}
    used = [by_uplink[each.uplink] for each in wanted.ipsec if each.uplink in by_uplink]
    return Watched(ports, {pin.address: pin.interface for pin in used if pin.address is not None})


def table_body(watched: Watched) -> str:
    """The table as nftables is given it (nft(8)); "" where nothing is to be watched.

    It looks after routing and before source NAT, and only at what the hub itself sends: what it forwards for others may
    come from the same ports.
    """
    if not watched.ports and not watched.addresses:
        return ""
    own = "meta nfproto ipv4 fib saddr type local"
    return (
        _set("ports", "inet_service", map(str, sorted(watched.ports)))
        + _set("pinned", "inet_service . ifname", _pairs(watched.ports))
        + _set("addresses", "ipv4_addr", sorted(watched.addresses))
        + _set("pinned_addresses", "ipv4_addr . ifname", _pairs(watched.addresses))
        + "  set away { type inet_service . ifname; flags dynamic; size 65535; }\n"
        "  set away_addresses { type ipv4_addr . ifname; flags dynamic; size 65535; }\n"
        "  chain leaving {\n"
        "    type filter hook postrouting priority 50; policy accept;\n"
        f"    udp sport @ports {own} udp sport . oifname != @pinned update @away {{ udp sport . oifname counter }}\n"
        f"    udp sport {{ 500, 4500 }} ip saddr @addresses {_wrong_address()}\n"
        f"    meta l4proto esp ip saddr @addresses {_wrong_address()}\n"
        "  }\n"
    )


def _wrong_address() -> str:
    return "ip saddr . oifname != @pinned_addresses update @away_addresses { ip saddr . oifname counter }"


def _set(name: str, kind: str, elements: Iterable[str]) -> str:
    joined = ", ".join(elements)
    return f"  set {name} {{ type {kind};{f' elements = {{ {joined} }}' if joined else ''} }}\n"


def _pairs(by: Mapping[Any, str]) -> list[str]:
    return [f'{key} . "{interface}"' for key, interface in sorted(by.items())]


def away_in(shown: Iterable[Mapping[str, Any]]) -> Away:
    """What was counted, in what `nft -j list table` shows (libnftables-json(5)); what has another form is left out."""
    found: dict[tuple[str, str], int] = {}
    for each in shown:
        counted = each.get("set", {})
        if counted.get("name") not in COUNTING:
            continue
        for element in counted.get("elem", ()):
            match element:
                case {"elem": {"val": {"concat": [key, str(interface)]}, "counter": {"packets": int(packets)}}}:
                    found[str(key), interface] = packets
                case _:
                    pass
    return found


def strays(before: Away, now: Away) -> dict[str, dict[str, int]]:
    """How many packets left by which wrong interface since the look before, by the port or address they are from."""
    found: dict[str, dict[str, int]] = {}
    for (key, interface), count in now.items():
        was = before.get((key, interface), 0)
        new = count - was if count >= was else count  # the table was made anew
        if new:
            found.setdefault(key, {})[interface] = new
    return found
