"""Links, ports and hub uplinks for the tunnels that have none written: taken once, never changed.

An existing line is never changed, and what it holds is never given to another tunnel, though its branch be gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network

from hub.config.drafts import TunnelDraft
from hub.config.scalars import PortRange
from policies.model.ids import TunnelId

MOST_NEIGHBORS = 150
"""New tunnels go to another ExaBGP process beyond so many: the bursts of one event loop stay short."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """An Allocation is what a tunnel was given; None where that is written in the branch's file, or not given yet.

    `process` None is the first ExaBGP process, which has no need to be written.
    """

    to: str | None = None
    link: IPv4Network | None = None
    link_ipv6: IPv6Network | None = None
    port: int | None = None
    loopbacks: IPv4Network | None = None
    process: int | None = None

    def lacks(self, *, ipv6: bool, loopbacks: bool) -> bool:
        """Whether something is left to give; a link of IPv6 is wanted only by tunnels that carry it.

        Loopbacks are wanted only by what IPsec protects between two of them.
        """
        missing = None in (self.to, self.link, self.port) or (ipv6 and self.link_ipv6 is None)
        return missing or (loopbacks and self.loopbacks is None)


@dataclass(frozen=True, slots=True)
class Pools:
    """A Pools is where links and ports are taken from; without `links_ipv6` no tunnel may want a link of IPv6."""

    links: IPv4Network
    ports: PortRange
    links_ipv6: IPv6Network | None = None


class ExhaustedError(Exception):
    """A pool has nothing left; `pool` is its key in network.yaml."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"the pool of {pool} is used up")
        self.pool = pool


Allocations = Mapping[TunnelId, Allocation]


def settled(tunnel: TunnelDraft, allocations: Allocations) -> Allocation:
    """What a tunnel has: first what is written in its branch's file, then what was allocated."""
    given = allocations.get(tunnel.id, Allocation())
    return Allocation(
        to=tunnel.to or given.to,
        link=tunnel.link or given.link,
        link_ipv6=tunnel.link_ipv6 or given.link_ipv6,
        port=tunnel.port or given.port,
        loopbacks=tunnel.written.loopbacks or given.loopbacks,
        process=given.process,
    )


def allocate(
    tunnels: Iterable[TunnelDraft], existing: Allocations, hub_isps: Mapping[str, str], pools: Pools
) -> dict[TunnelId, Allocation]:
    """The lines that are new or get something more; the same input in any order gives the same.

    Args:
        tunnels: all tunnels of the configuration.
        existing: what allocations.yaml holds.
        hub_isps: the ISP of each of the hub's uplinks.
        pools: where links and ports are taken from.

    Raises:
        ExhaustedError: a pool is used up.
    """
    ordered = sorted(tunnels, key=lambda tunnel: tunnel.id)
    has = {tunnel.id: settled(tunnel, existing) for tunnel in ordered}
    ends = choose_hub_uplinks(ordered, has, hub_isps)
    used = [*existing.values(), *has.values()]
    free_links, free_ports = _free_links(pools.links, used), _free_ports(pools.ports, used)
    free_links_ipv6 = _free_links_ipv6(pools.links_ipv6, used)
    waiting = [tunnel for tunnel in ordered if has[tunnel.id].lacks(ipv6=tunnel.ipv6, loopbacks=tunnel.loopbacks)]
    new = sorted((ends[tunnel.id], tunnel.id) for tunnel in waiting if tunnel.id not in existing)
    numbers = processes([tunnel for _, tunnel in new], {**has, **existing})
    made = {}
    for tunnel in waiting:
        mine = has[tunnel.id]
        line = existing.get(tunnel.id) or Allocation(process=numbers[tunnel.id])
        if mine.to is None:
            line = replace(line, to=ends[tunnel.id])
        if mine.link is None:
            line = replace(line, link=next(free_links))
        if tunnel.ipv6 and mine.link_ipv6 is None:
            line = replace(line, link_ipv6=next(free_links_ipv6))
        if mine.port is None:
            line = replace(line, port=next(free_ports))
        if tunnel.loopbacks and mine.loopbacks is None:
            line = replace(line, loopbacks=next(free_links))
        made[tunnel.id] = line
    return made


def processes(new: Iterable[TunnelId], has: Allocations) -> dict[TunnelId, int | None]:
    """The ExaBGP process of each new tunnel, in this order: the lowest with room, None for the first.

    `has` is what all tunnels have, those that are gone included: their session may come back where it was.
    """
    waiting = list(new)
    held = Counter(has[tunnel].process or 1 for tunnel in has.keys() - set(waiting))
    given: dict[TunnelId, int | None] = {}
    number = 1
    for tunnel in waiting:
        while held[number] >= MOST_NEIGHBORS:
            number += 1
        held[number] += 1
        given[tunnel] = number if number > 1 else None
    return given


def choose_hub_uplinks(
    tunnels: Iterable[TunnelDraft], has: Allocations, hub_isps: Mapping[str, str]
) -> dict[TunnelId, str]:
    """The hub's uplink of every tunnel: what it has, else that of the same ISP, else the one its branch uses least."""
    ordered = list(tunnels)
    by_isp = {isp: name for name, isp in sorted(hub_isps.items(), reverse=True)}
    chosen = {tunnel.id: has[tunnel.id].to or by_isp.get(tunnel.uplink.isp) for tunnel in ordered}
    uses: dict[str, dict[str, int]] = {}
    for tunnel, end in chosen.items():
        if end is not None:
            counts = uses.setdefault(tunnel.branch, {})
            counts[end] = counts.get(end, 0) + 1
    ends = {}
    for tunnel, end in chosen.items():
        counts = uses.setdefault(tunnel.branch, {})
        ends[tunnel] = end or min(sorted(hub_isps), key=lambda name: counts.get(name, 0))
        if end is None:
            counts[ends[tunnel]] = counts.get(ends[tunnel], 0) + 1
    return ends


def _free_links(pool: IPv4Network, used: Iterable[Allocation]) -> Iterator[IPv4Network]:
    held = [pair for allocation in used for pair in (allocation.link, allocation.loopbacks) if pair]
    taken = {int(pair.network_address) for pair in held}
    first = int(pool.network_address)
    for address in range(first, first + pool.num_addresses, 2):
        if address not in taken:
            yield IPv4Network((address, 31))
    raise ExhaustedError("links")


def _free_links_ipv6(pool: IPv6Network | None, used: Iterable[Allocation]) -> Iterator[IPv6Network]:
    """Without those whose interface identifiers are anycast addresses (RFC 6164, section 5.2)."""
    if pool is None:
        raise ExhaustedError("links-ipv6")
    taken = {int(allocation.link_ipv6.network_address) for allocation in used if allocation.link_ipv6}
    first = int(pool.network_address)
    for address in range(first, first + pool.num_addresses, 2):
        identifier = address & (1 << 64) - 1
        if identifier and identifier < (1 << 64) - 128 and address not in taken:
            yield IPv6Network((address, 127))
    raise ExhaustedError("links-ipv6")


def _free_ports(pool: PortRange, used: Iterable[Allocation]) -> Iterator[int]:
    taken = {allocation.port for allocation in used}
    for port in range(pool.first, pool.last + 1):
        if port not in taken:
            yield port
    raise ExhaustedError("ports")
