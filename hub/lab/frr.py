"""A branch router's configuration: FRR 8 with BGP and BFD on each tunnel, over a static floor.

BGP steers (distance 20, or 200 where hub and branch are of one AS). Below it lie floating static routes over every
tunnel and an unreachable (`reject`). FRR 8 cannot guard a static route: while BGP is not there, the first floor stands
even if its tunnel is dead.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.lab.network import Branch, Network, Tunnel, of_version

FIRST_FLOOR = 201
"""Administrative distance of the first floor, beyond that of iBGP; each floor after the first has one more."""
NO_FLOOR = 250
MOST_FLOORS = NO_FLOOR - FIRST_FLOOR
_OWN = "own"
"""The prefix lists of what the branch announces, one an IP version."""
_SPELLING = {4: "ip", 6: "ipv6"}


def frr_config(network: Network, branch: Branch, password: str | None = None) -> str:
    """The text of frr.conf for this branch (zebra, staticd, bgpd and bfdd of FRR 8); `password` signs its sessions."""
    return "".join(f"{line}\n" for line in _lines(network, branch, password))


def _lines(network: Network, branch: Branch, password: str | None) -> Iterator[str]:
    yield f"! The router of {branch.name} in the lab."
    for version in branch.versions:
        yield from _floor(branch, version)
    yield "!"
    for version in branch.versions:
        yield from _own_prefixes(branch, version)
    yield "!"
    yield from _bfd(network, branch)
    yield f"router bgp {branch.asn}"
    yield f" bgp router-id {branch.router_id}"
    yield " bgp graceful-restart-disable"
    yield " no bgp ebgp-requires-policy"
    yield " no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    for tunnel in branch.tunnels:
        yield from _neighbor(network, branch, tunnel, password)
    for version in branch.versions:
        yield from _family(branch, version)
    yield "exit"


def _floor(branch: Branch, version: int) -> Iterator[str]:
    for prefix in of_version(version, branch.reaches):
        for number, tunnel in enumerate(branch.tunnels[:MOST_FLOORS]):
            where = f"{tunnel.hub_end(version)} {tunnel.branch_interface}"
            yield f"{_SPELLING[version]} route {prefix} {where} {FIRST_FLOOR + number}"
        yield f"{_SPELLING[version]} route {prefix} reject {NO_FLOOR}"


def _own_prefixes(branch: Branch, version: int) -> Iterator[str]:
    for number, prefix in enumerate(of_version(version, branch.prefixes), 1):
        yield f"{_SPELLING[version]} prefix-list {_OWN} seq {5 * number} permit {prefix}"


def _bfd(network: Network, branch: Branch) -> Iterator[str]:
    """One profile a tunnel; FRR's intervals are whole milliseconds, so others are rounded up."""
    guarded = [tunnel for tunnel in branch.tunnels if tunnel.bfd]
    if not guarded:
        return
    yield "bfd"
    for tunnel in guarded:
        milliseconds = -(-tunnel.interval_us // 1000)
        yield f" profile {tunnel.branch_interface}"
        yield f"  transmit-interval {milliseconds}"
        yield f"  receive-interval {milliseconds}"
        yield f"  detect-multiplier {tunnel.multiplier}"
        yield " exit"
        if not _bgp_starts_bfd(network, branch):
            yield f" peer {tunnel.hub_link} local-address {tunnel.branch_link} interface {tunnel.branch_interface}"
            yield f"  profile {tunnel.branch_interface}"
            yield " exit"
    yield "exit"
    yield "!"


def _bgp_starts_bfd(network: Network, branch: Branch) -> bool:
    """Whether BFD can be left to `neighbor … bfd`.

    For an eBGP neighbor with TTL security FRR starts BFD over several hops (RFC 5883), which the hub does not speak:
    there BFD is by itself, and BGP does not know of it.
    """
    return not branch.ttl_security or branch.asn == network.hub.asn


def _neighbor(network: Network, branch: Branch, tunnel: Tunnel, password: str | None) -> Iterator[str]:
    neighbor = f" neighbor {tunnel.hub_link}"
    yield f" ! {tunnel.name}"
    yield f"{neighbor} remote-as {network.hub.asn}"
    yield f"{neighbor} update-source {tunnel.branch_link}"
    if password:
        yield f"{neighbor} password {password}"
    if branch.ttl_security:
        yield f"{neighbor} ttl-security hops 1"
    yield f"{neighbor} timers 3 9"
    yield f"{neighbor} timers connect 1"
    yield f"{neighbor} advertisement-interval 0"
    if tunnel.bfd and _bgp_starts_bfd(network, branch):
        yield f"{neighbor} bfd"
        yield f"{neighbor} bfd profile {tunnel.branch_interface}"


def _family(branch: Branch, version: int) -> Iterator[str]:
    """IPv6 goes over the IPv4 session; FRR's own next hop is then the IPv6 address of the session's interface."""
    yield f" address-family ipv{version} unicast"
    for prefix in of_version(version, branch.prefixes):
        yield f"  network {prefix}"
    yield "  maximum-paths 1"
    yield "  maximum-paths ibgp 1"
    for tunnel in branch.tunnels:
        neighbor = f"  neighbor {tunnel.hub_link}"
        yield f"{neighbor} activate"
        yield f"{neighbor} next-hop-self"
        yield f"{neighbor} prefix-list {_OWN} out"
    yield " exit-address-family"
