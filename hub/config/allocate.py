"""Links, ports and hub uplinks for the tunnels that have none written: taken once, never changed.

An existing line is never changed, and what it holds is never given to another tunnel, though its branch be gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from hub.config.drafts import TunnelDraft
from hub.config.scalars import PortRange
from policies.model.ids import TunnelId


@dataclass(frozen=True, slots=True)
class Allocation:
    """An Allocation is what a tunnel was given; None where that is written in the branch's file, or not given yet."""

    to: str | None = None
    link: IPv4Network | None = None
    port: int | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to give."""
        return None not in (self.to, self.link, self.port)


class ExhaustedError(Exception):
    """A pool has nothing left; `pool` is its key in network.yaml."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"the pool of {pool} is used up")
        self.pool = pool


Allocations = Mapping[TunnelId, Allocation]


def settled(tunnel: TunnelDraft, allocations: Allocations) -> Allocation:
    """What a tunnel has: first what is written in its branch's file, then what was allocated."""
    given = allocations.get(tunnel.id, Allocation())
    return Allocation(tunnel.to or given.to, tunnel.link or given.link, tunnel.port or given.port)


def allocate(
    tunnels: Iterable[TunnelDraft],
    existing: Allocations,
    hub_isps: Mapping[str, str],
    links: IPv4Network,
    ports: PortRange,
) -> dict[TunnelId, Allocation]:
    """The lines that are new or get something more; the same input in any order gives the same.

    Args:
        tunnels: all tunnels of the configuration.
        existing: what allocations.yaml holds.
        hub_isps: the ISP of each of the hub's uplinks.
        links: where links are taken from.
        ports: where ports are taken from.

    Raises:
        ExhaustedError: a pool is used up.
    """
    ordered = sorted(tunnels, key=lambda tunnel: tunnel.id)
    has = {tunnel.id: settled(tunnel, existing) for tunnel in ordered}
    ends = choose_hub_uplinks(ordered, has, hub_isps)
    free_links = _free_links(links, [*existing.values(), *has.values()])
    free_ports = _free_ports(ports, [*existing.values(), *has.values()])
    made = {}
    for tunnel in ordered:
        mine = has[tunnel.id]
        if mine.complete:
            continue
        line = existing.get(tunnel.id, Allocation())
        if mine.to is None:
            line = replace(line, to=ends[tunnel.id])
        if mine.link is None:
            line = replace(line, link=next(free_links))
        if mine.port is None:
            line = replace(line, port=next(free_ports))
        made[tunnel.id] = line
    return made


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
    taken = {int(allocation.link.network_address) for allocation in used if allocation.link}
    first = int(pool.network_address)
    for address in range(first, first + pool.num_addresses, 2):
        if address not in taken:
            yield IPv4Network((address, 31))
    raise ExhaustedError("links")


def _free_ports(pool: PortRange, used: Iterable[Allocation]) -> Iterator[int]:
    taken = {allocation.port for allocation in used}
    for port in range(pool.first, pool.last + 1):
        if port not in taken:
            yield port
    raise ExhaustedError("ports")
