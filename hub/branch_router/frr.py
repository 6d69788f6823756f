"""A branch router's configuration: FRR 8 with BGP and BFD on each tunnel, over a static floor.

BGP steers (distance 20, or 200 where hub and branch are of one AS). Below it lie floating static routes over every
tunnel and an unreachable (`reject`). FRR 8 cannot guard a static route: while BGP is not there, the first floor stands
even if its tunnel is dead.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from hub.branch_router.end import BranchEnd, TunnelEnd, of_version
from hub.branch_router.secrets import NO_SECRETS, Secrets

FIRST_FLOOR = 201
"""Administrative distance of the first floor, beyond that of iBGP; each floor after the first has one more."""
NO_FLOOR = 250
MOST_FLOORS = NO_FLOOR - FIRST_FLOOR
_OWN, _OF_HUB = "own", "of-hub"
"""The prefix lists of what the branch announces and of what it accepts, one an IP version."""
_SPELLING = {4: "ip", 6: "ipv6"}


def frr_config(end: BranchEnd, secrets: Secrets = NO_SECRETS) -> str:
    """The text of frr.conf for this branch (zebra, staticd, bgpd and bfdd of FRR 8 and later)."""
    return "".join(f"{line}\n" for line in _lines(end, secrets))


def _lines(end: BranchEnd, secrets: Secrets) -> Iterator[str]:
    yield f"! The router of {end.name}. Daemons: zebra with --v6-rr-semantics, staticd, bgpd, bfdd."
    for version in end.versions:
        yield from _floor(end, version)
    yield "!"
    for version in end.versions:
        yield from _prefix_lists(end, version)
    yield "!"
    yield from _bfd(end)
    yield f"router bgp {end.asn}"
    yield f" bgp router-id {end.router_id}"
    yield " bgp graceful-restart-disable"
    yield " no bgp ebgp-requires-policy"
    yield " no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    for tunnel in end.tunnels:
        yield from _neighbor(end, tunnel, secrets)
    for version in end.versions:
        yield from _family(end, version)
    yield "exit"


def _floor(end: BranchEnd, version: int) -> Iterator[str]:
    for prefix in of_version(version, end.reaches):
        for number, tunnel in enumerate(end.tunnels[:MOST_FLOORS]):
            where = f"{tunnel.hub_end(version)} {tunnel.interface}"
            yield f"{_SPELLING[version]} route {prefix} {where} {FIRST_FLOOR + number}"
        yield f"{_SPELLING[version]} route {prefix} reject {NO_FLOOR}"


def _prefix_lists(end: BranchEnd, version: int) -> Iterator[str]:
    """What is announced, and what is accepted: parts of the hub's prefixes too, for a rule may steer a part."""
    own, of_hub = of_version(version, end.prefixes), of_version(version, end.reaches)
    announced = [f"permit {prefix}" for prefix in own]
    accepted = [f"deny {_and_parts(prefix)}" for prefix in own] + [f"permit {_and_parts(prefix)}" for prefix in of_hub]
    for name, entries in ((_OWN, announced), (_OF_HUB, accepted)):
        for number, entry in enumerate(entries, 1):
            yield f"{_SPELLING[version]} prefix-list {name} seq {5 * number} {entry}"


def _and_parts(prefix: str) -> str:
    network = ip_network(prefix)
    longest = network.max_prefixlen
    return prefix if network.prefixlen == longest else f"{prefix} le {longest}"


def _bfd(end: BranchEnd) -> Iterator[str]:
    """One profile a tunnel; FRR's intervals are whole milliseconds, so others are rounded up."""
    guarded = [tunnel for tunnel in end.tunnels if tunnel.bfd]
    if not guarded:
        return
    yield "bfd"
    for tunnel in guarded:
        milliseconds = -(-tunnel.interval_us // 1000)
        yield f" profile {tunnel.interface}"
        yield f"  transmit-interval {milliseconds}"
        yield f"  receive-interval {milliseconds}"
        yield f"  detect-multiplier {tunnel.multiplier}"
        yield " exit"
        if not _bgp_starts_bfd(end):
            yield f" peer {tunnel.hub_link} local-address {tunnel.own_link} interface {tunnel.interface}"
            yield f"  profile {tunnel.interface}"
            yield " exit"
    yield "exit"
    yield "!"


def _bgp_starts_bfd(end: BranchEnd) -> bool:
    """Whether BFD can be left to `neighbor … bfd`.

    For an eBGP neighbor with TTL security FRR starts BFD over several hops (RFC 5883), which the hub does not speak:
    there BFD is by itself, and BGP does not know of it.
    """
    return not end.ttl_security or end.is_internal


def _neighbor(end: BranchEnd, tunnel: TunnelEnd, secrets: Secrets) -> Iterator[str]:
    neighbor = f" neighbor {tunnel.hub_link}"
    yield f" ! {tunnel.name}"
    yield f"{neighbor} remote-as {end.hub_asn}"
    yield f"{neighbor} update-source {tunnel.own_link}"
    if end.signed:
        yield f"{neighbor} password {secrets.password_of(end.name)}"
    if end.ttl_security:
        yield f"{neighbor} ttl-security hops 1"
    yield f"{neighbor} timers 3 9"
    yield f"{neighbor} timers connect 1"
    yield f"{neighbor} advertisement-interval 0"
    if tunnel.bfd and _bgp_starts_bfd(end):
        yield f"{neighbor} bfd"
        yield f"{neighbor} bfd profile {tunnel.interface}"


def _family(end: BranchEnd, version: int) -> Iterator[str]:
    """IPv6 goes over the IPv4 session; FRR's own next hop is then the IPv6 address of the session's interface."""
    yield f" address-family ipv{version} unicast"
    for prefix in of_version(version, end.prefixes):
        yield f"  network {prefix}"
    yield "  maximum-paths 1"
    yield "  maximum-paths ibgp 1"
    for tunnel in end.tunnels:
        neighbor = f"  neighbor {tunnel.hub_link}"
        yield f"{neighbor} activate"
        yield f"{neighbor} next-hop-self"
        yield f"{neighbor} prefix-list {_OWN} out"
        yield f"{neighbor} prefix-list {_OF_HUB} in"
    yield " exit-address-family"
