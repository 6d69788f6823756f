"""Who uses which prefixes, links and ports: what is compared for collisions, and what nobody may have twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network

from hub.config.allocate import Allocation, settled
from hub.config.overlap import Claim
from hub.config.problems import Place, Problem, error
from hub.config.survey import Survey
from policies.model.ids import Prefix, TunnelId, lies_within


def claims(looked: Survey) -> Iterator[Claim]:
    """The prefixes of all branches and of the hub, the pools, and the links outside them."""
    for branch in looked.branches:
        for index, prefix in enumerate(branch.raw.prefixes):
            place = branch.document.place("prefixes", index)
            yield Claim(prefix, branch.name, "prefix", place)
    if looked.hub is not None:
        for index, prefix in enumerate(looked.hub.raw.prefixes):
            yield Claim(prefix, "the hub", "prefix", looked.hub.document.place(*looked.hub.at, "prefixes", index))
    yield from _link_claims(looked)


def taken_twice(looked: Survey) -> Iterator[Problem]:
    """Links and ports that two tunnels have, as after a merge of two changes that took the same."""
    yield from _same("link", _links(looked), looked.sources.allocate_command)
    yield from _same("port", _ports(looked), looked.sources.allocate_command)


def missing_pool(looked: Survey) -> Iterator[Problem]:
    """That links of IPv6 are wanted and there is nothing to take them from."""
    network, allocations = looked.sources.network, looked.allocations()
    if network is None or network.raw.pools.links_ipv6 is not None:
        return
    for tunnel in looked.tunnels():
        if tunnel.ipv6 and settled(tunnel, allocations).link_ipv6 is None:
            text = f"{tunnel.id} carries IPv6 and has no IPv6 link, and there is no pool of them"
            mend = f'add one, for example links-ipv6: "fd00:255::/64", and run: {looked.sources.allocate_command}'
            yield error(network.document.key_place("pools"), text, mend)
            return


def contradictions(looked: Survey) -> Iterator[tuple[TunnelId, Place, str, object, object]]:
    """What is written for a tunnel in its branch's file and otherwise in allocations.yaml: key, written, allocated."""
    allocations = looked.allocations()
    for tunnel in looked.tunnels():
        given = allocations.get(tunnel.id, Allocation())
        for key, mine, theirs in (
            ("to", tunnel.to, given.to),
            ("link", tunnel.link, given.link),
            ("link-ipv6", tunnel.link_ipv6, given.link_ipv6),
            ("port", tunnel.port, given.port),
            ("loopbacks", tunnel.written.loopbacks, given.loopbacks),
        ):
            if mine and theirs and mine != theirs:
                yield tunnel.id, tunnel.places[key], key, mine, theirs


def _link_claims(looked: Survey) -> Iterator[Claim]:
    """The pools, and the links outside them; those inside are covered by them, and compared in `taken_twice`."""
    pools: list[IPv4Network | IPv6Network] = []
    if (network := looked.sources.network) is not None:
        for key, pool in (("links", network.raw.pools.links), ("links-ipv6", network.raw.pools.links_ipv6)):
            if pool is not None:
                pools.append(pool)
                yield Claim(pool, "the links", "pool", network.document.place("pools", key))
    seen = set()
    for _, link, place in _links(looked):
        if link not in seen and not lies_within(link, pools):
            seen.add(link)
            yield Claim(link, "the links", "link", place)


def _links(looked: Survey) -> Iterator[tuple[TunnelId, Prefix, Place]]:
    """Every link that is written or allocated, and where."""
    for tunnel in looked.tunnels():
        if tunnel.link:
            yield tunnel.id, tunnel.link, tunnel.places["link"]
        if tunnel.link_ipv6:
            yield tunnel.id, tunnel.link_ipv6, tunnel.places["link-ipv6"]
        if tunnel.written.loopbacks:
            yield tunnel.id, tunnel.written.loopbacks, tunnel.places["loopbacks"]
    for identity, (raw, place) in looked.sources.allocations.items():
        for link in (raw.link, raw.link_ipv6, raw.loopbacks):
            if link:
                yield identity, link, place


def _ports(looked: Survey) -> Iterator[tuple[TunnelId, int, Place]]:
    for tunnel in looked.tunnels():
        if tunnel.port:
            yield tunnel.id, tunnel.port, tunnel.places["port"]
    for identity, (raw, place) in looked.sources.allocations.items():
        if raw.port:
            yield identity, raw.port, place


def _same(what: str, taken: Iterable[tuple[TunnelId, object, Place]], allocate: str) -> Iterator[Problem]:
    first: dict[object, tuple[TunnelId, Place]] = {}
    for tunnel, value, place in taken:
        owner, there = first.setdefault(value, (tunnel, place))
        if owner != tunnel:
            mend = f"remove one of the two lines and run: {allocate}"
            yield error(place, f"{what} {value} of {tunnel} is also that of {owner} ({there})", mend)
