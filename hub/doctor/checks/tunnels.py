"""Are the tunnels as the configuration has them: interfaces, link addresses, MTU, neighbor table?"""

from __future__ import annotations

from collections.abc import Iterator

from hub.doctor.facts import Facts, Interface, Unseen, Wanted
from hub.doctor.findings import Finding, fine, named, unseen, warning, wrong
from hub.forwarder import checks
from policies.model.intent import Tunnel

PLACE = "tunnels"
WIREGUARD_OVERHEAD = 60
"""Bytes that WireGuard adds to a packet over IPv4 (20 IP, 8 UDP, 32 its own); 80 over IPv6."""
SMALLEST_IPV6_MTU = 1280
"""RFC 8200 section 5."""
_SMALLEST_MTU = 576


def interfaces(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Interfaces that are missing or down."""
    if isinstance(facts.interfaces, Unseen):
        yield unseen(PLACE, "interface", "interfaces", facts.interfaces.why)
        return
    names = {str(tunnel.id): tunnel.interface for tunnel in wanted.tunnels}
    problems = checks.interfaces(names, {each.name: each.up for each in facts.interfaces})
    for problem in problems.values():
        yield wrong(PLACE, "interface", problem.text, problem.mend)
    if names and not problems:
        yield fine(PLACE, "interface", f"{len(names)} tunnel interfaces are there and up")


def addresses(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Link addresses that are missing, or on another interface."""
    if isinstance(facts.addresses, Unseen) or isinstance(facts.interfaces, Unseen):
        return
    there = {address: interface for interface, address in facts.addresses}
    present = {each.name for each in facts.interfaces}
    absent = False
    for tunnel in (each for each in wanted.tunnels if each.interface in present):
        for address, length in ((tunnel.link.hub, 31), (tunnel.link.hub6, 127)):
            if address is None or there.get(address) == tunnel.interface:
                continue
            absent = True
            where = f"is on {there[address]} instead of" if address in there else "is not on"
            text = f"link address {address} of {tunnel.id} {where} {tunnel.interface}"
            yield wrong(PLACE, "address", text, f"ip address add {address}/{length} dev {tunnel.interface}")
    if wanted.tunnels and not absent:
        yield fine(PLACE, "address", "the tunnels that are there have their link addresses")


def mtus(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """An MTU that is too small for IPv6, or too large for what carries the tunnel."""
    by_name = _by_name(facts)
    for tunnel in wanted.tunnels:
        interface = by_name.get(tunnel.interface)
        if interface is not None:
            yield from _mtu(tunnel, interface, by_name.get(tunnel.hub_uplink.interface or ""), wanted)


def _mtu(tunnel: Tunnel, interface: Interface, below: Interface | None, wanted: Wanted) -> Iterator[Finding]:
    name, mtu = interface.name, interface.mtu
    room = below.mtu - WIREGUARD_OVERHEAD if below is not None and interface.kind == "wireguard" else None
    if mtu < _SMALLEST_MTU or (6 in wanted.versions and mtu < SMALLEST_IPV6_MTU):
        least = SMALLEST_IPV6_MTU if 6 in wanted.versions else _SMALLEST_MTU
        text = f"{name} of {tunnel.id} has MTU {mtu}, and {least} is the least that works"
        yield wrong(PLACE, "mtu", text, f"ip link set {name} mtu 1420")
    elif below is not None and room is not None and mtu > room:
        text = f"{name} of {tunnel.id} has MTU {mtu}, and {below.name} carries {room} of it: large packets are lost"
        yield warning(PLACE, "mtu", text, f"ip link set {name} mtu {room}")


def ipv6(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """IPv6 disabled where it is configured."""
    if 6 not in wanted.versions:
        return
    if not facts.features.ipv6:
        text = "this kernel has no IPv6, and the configuration has"
        yield wrong(PLACE, "ipv6", text, "boot without ipv6.disable=1, or leave the IPv6 prefixes out")
        return
    for step in checks.disabled_ipv6((tunnel.interface for tunnel in wanted.tunnels), facts.settings.get):
        for problem in (step or {}).values():
            yield wrong(PLACE, "ipv6", problem.text, problem.mend)


def neighbor_table(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Room in the kernel's neighbor table; WireGuard needs none, since nothing is resolved there."""
    by_name = _by_name(facts)
    resolving = [each for each in wanted.tunnels if each.interface in by_name and by_name[each.interface].resolves]
    for version in (4, 6) if 6 in wanted.versions else (4,):
        room = facts.number(f"/proc/sys/net/ipv{version}/neigh/default/gc_thresh3")
        if room is not None and room < 2 * len(resolving):
            text = (
                f"the IPv{version} neighbor table has room for {room}, and {len(resolving)} tunnels need an entry each"
            )
            mend = f"sysctl -w net.ipv{version}.neigh.default.gc_thresh3={4 * len(resolving)}"
            yield warning(PLACE, "neighbor-table", text, mend)


def network_manager(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """NetworkManager that manages tunnels: it takes addresses and routes away when it likes."""
    managed = [tunnel.interface for tunnel in wanted.tunnels if tunnel.interface in facts.network_manager]
    if managed:
        text = f"NetworkManager manages {named(managed)}, and may take their addresses away"
        mend = (
            "write [keyfile] unmanaged-devices=interface-name:wg* to /etc/NetworkManager/conf.d/pointsman.conf; "
            "nmcli general reload"
        )
        yield warning(PLACE, "network-manager", text, mend)


def _by_name(facts: Facts) -> dict[str, Interface]:
    return {} if isinstance(facts.interfaces, Unseen) else {each.name: each for each in facts.interfaces}
