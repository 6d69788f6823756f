"""arrivals: tunnels of a branch that come by one way, though they were meant to be independent. Pure.

From one address, from one network, through one router near the branch, or from one AS. What the files themselves say is
no news: two tunnels of one uplink are never told, two of one ISP only where they come from one address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import combinations

from policies.model.as_numbers import NO_AS_NUMBERS, AsNumbers
from policies.model.clock import Instant
from policies.model.ids import Address, TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.outer_path import OuterPath
from policies.outer_paths import Passed, is_nobody_s, last_router, shared_router

ARRIVING_FOR = timedelta(seconds=60)
"""How long tunnels must be seen to arrive together: one that re-homes comes back within seconds."""
ONE_WAY_FOR = timedelta(minutes=15)
"""How long their paths must be seen to: longer than from one trace to the next, as a provider may re-route for long."""
PATH_LASTS = timedelta(hours=6)
"""An older path says nothing any more; in a large network it takes hours until each tunnel has its turn again."""
SAME_NETWORK = {4: 24, 6: 48}
"""Prefix lengths within which addresses are most likely of one line's provider: what is announced alone in BGP."""
_FROM_THE_END = ("the last", "the last but one", "the last but two")

Pair = tuple[TunnelId, TunnelId]


@dataclass(frozen=True, slots=True)
class Ways:
    """A Ways is what is known of how tunnels arrive.

    `endpoints` are the outer ones of their far ends, `ADDRESS:PORT`; `paths` what traces to them say.
    """

    endpoints: Mapping[TunnelId, str] = field(default_factory=dict)
    paths: Mapping[TunnelId, OuterPath] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An Arrival is a way that tunnels of a branch share. It is told when it was seen for `seen_for`.

    `text` ends where it is to be said since when; `number` is how many tunnels, as a word.
    """

    key: str
    branch: str
    text: str
    number: str
    mend: str
    seen_for: timedelta = ARRIVING_FOR


def arrivals(intent: Intent, up: Collection[TunnelId], ways: Ways, now: Instant) -> Iterator[Arrival]:
    """All that is so now, of tunnels that live.

    A hub whose own router hides all senders learns nothing from their addresses.
    """
    found = {tunnel: address_of(endpoint) for tunnel, endpoint in ways.endpoints.items() if tunnel in up}
    known = {tunnel: address for tunnel, address in found.items() if address is not None}
    if len({tunnel.branch for tunnel in known}) > 1 and len(set(known.values())) == 1:
        return
    tunnels = intent.tunnels()
    paths = {
        tunnel: path
        for tunnel, path in ways.paths.items()
        if tunnel in tunnels and _is_of_now(path, tunnels[tunnel], known.get(tunnel), now)
    }
    passed = Passed(paths)
    for branch in intent.branches.values():
        mine = [tunnel for tunnel in branch.tunnels if tunnel.id in known]
        told = set[Pair]()
        for arrival, group in _from_one_place(branch, mine, known):
            told |= set(combinations([each.id for each in group], 2))
            yield arrival
        pairs = [pair for pair in _apart(mine) if (pair[0].id, pair[1].id) not in told]
        yield from _through_one_router(branch, pairs, paths, passed)
        yield from _of_one_as(branch, pairs, known, paths, intent.shared_fate.as_numbers)


def address_of(endpoint: str) -> Address | None:
    """The address of `203.0.113.7:51820` or `[2001:db8::1]:51820`; None where that is none."""
    text = endpoint.rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_of_now(path: OuterPath, tunnel: Tunnel, address: Address | None, now: Instant) -> bool:
    """Whether the path is that of the tunnel as it is: to where it is, by its uplink, and not from long ago."""
    is_it = path.trace.to == str(address) and path.hub_uplink == tunnel.hub_uplink.name
    return is_it and now - path.at <= PATH_LASTS.total_seconds()


def _apart(tunnels: Iterable[Tunnel]) -> Iterator[tuple[Tunnel, Tunnel]]:
    """The pairs that are independent by the files. That two lines of one ISP share it is no news: `check` warns."""
    for one, other in combinations(tunnels, 2):
        if one.uplink.name != other.uplink.name and one.uplink.isp != other.uplink.isp:
            yield one, other


# From one address or network


def _from_one_place(
    branch: Branch, tunnels: Sequence[Tunnel], known: Mapping[TunnelId, Address]
) -> Iterator[tuple[Arrival, list[Tunnel]]]:
    told: set[TunnelId] = set()
    for one, other in combinations(tunnels, 2):
        if one.uplink.name == other.uplink.name or {one.id, other.id} <= told:
            continue  # of one uplink by its file
        here, there = known[one.id], known[other.id]
        where = f"{here}" if here == there else _common_network(here, there)
        if not where or (here != there and one.uplink.isp == other.uplink.isp):
            continue
        group = [each for each in tunnels if _is_within(known[each.id], where)]
        told |= {each.id for each in group}
        network = "one network, " if "/" in where else ""
        text = f"{_of_branch(branch, group)} arrive from {network}{where}{_though(group)}"
        key = f"shared-fate:{branch.name}:from {where}"
        yield Arrival(key, branch.name, text, _number(group), _ONE_PLACE_MEND), group


_ONE_PLACE_MEND = (
    "see by which line the branch's router sends each tunnel's packets: a route for each, and no other way out"
)


def _common_network(here: Address, there: Address) -> str:
    """The network that both are of, "" if of none. Those of private and shared addresses are nobody's."""
    if here.version != there.version or is_nobody_s(str(here)):
        return ""
    network = ip_network((here, SAME_NETWORK[here.version]), strict=False)
    return str(network) if there in network else ""


def _is_within(address: Address, where: str) -> bool:
    network = ip_network(where)
    return address.version == network.version and address in network


# Through one router


def _through_one_router(
    branch: Branch, pairs: Iterable[tuple[Tunnel, Tunnel]], paths: Mapping[TunnelId, OuterPath], passed: Passed
) -> Iterator[Arrival]:
    found: dict[str, dict[TunnelId, tuple[Tunnel, int]]] = {}
    for one, other in pairs:
        here, there = paths.get(one.id), paths.get(other.id)
        router = None if here is None or there is None else shared_router(branch.name, here, there, passed)
        if router is not None:
            ends = found.setdefault(router.address, {})
            ends |= {one.id: (one, router.left[0]), other.id: (other, router.left[1])}
    for address, ends in found.items():
        group = [tunnel for tunnel, _ in ends.values()]
        where = _position(group, [left for _, left in ends.values()])
        text = f"{_of_branch(branch, group)} arrive through the same router {address}, {where}{_though(group)}"
        key = f"shared-fate:{branch.name}:through {address}"
        mend = (
            f"ask {_isps(group)} for the way of each line: one of them may only resell the other, or share its access"
        )
        yield Arrival(key, branch.name, text, _number(group), mend, ONE_WAY_FOR)


def _position(group: Sequence[Tunnel], left: Sequence[int]) -> str:
    """`the last but one before both`, among those that answer."""
    if len(set(left)) == 1:
        return f"{_FROM_THE_END[left[0] - 1]} before {_number(group)}"
    return " and ".join(
        f"{_FROM_THE_END[count - 1]} before {tunnel.id.name}" for tunnel, count in zip(group, left, strict=True)
    )


# Of one AS


def _of_one_as(
    branch: Branch,
    pairs: Iterable[tuple[Tunnel, Tunnel]],
    known: Mapping[TunnelId, Address],
    paths: Mapping[TunnelId, OuterPath],
    numbers: AsNumbers,
) -> Iterator[Arrival]:
    if numbers == NO_AS_NUMBERS:
        return
    found: dict[int, dict[TunnelId, tuple[Tunnel, str | None]]] = {}
    for one, other in pairs:
        here = _as_numbers(one.id, other.id, known, paths, numbers)
        there = _as_numbers(other.id, one.id, known, paths, numbers)
        for number in here.keys() & there.keys():
            ends = found.setdefault(number, {})
            ends |= {one.id: (one, here[number]), other.id: (other, there[number])}
    for number, ends in sorted(found.items()):
        group = [tunnel for tunnel, _ in ends.values()]
        routers = [f"{router}, the last router before {each.id.name}" for each, router in ends.values() if router]
        text = f"{_of_branch(branch, group)} arrive from {numbers.words(number)}"
        text += f" (by {' and by '.join(routers)})" if routers else ""
        key = f"shared-fate:{branch.name}:of AS{number}"
        mend = (
            f"ask {_isps(group)} who carries each line; if that is meant, write the same isp for both in {branch.name}"
        )
        seen_for = ONE_WAY_FOR if routers else ARRIVING_FOR
        yield Arrival(key, branch.name, f"{text}{_though(group)}", _number(group), mend, seen_for)


def _as_numbers(
    tunnel: TunnelId,
    other: TunnelId,
    known: Mapping[TunnelId, Address],
    paths: Mapping[TunnelId, OuterPath],
    numbers: AsNumbers,
) -> dict[int, str | None]:
    """The AS numbers that a tunnel arrives from, each with the router that says so; None: its own address does."""
    found: dict[int, str | None] = {}
    router = last_router(paths[tunnel], paths[other]) if tunnel in paths and other in paths else None
    if router is not None and (number := numbers.of_address(router)) is not None:
        found[number] = router
    if (number := numbers.of_address(str(known[tunnel]))) is not None:
        found[number] = None
    return found


# Words


def _of_branch(branch: Branch, group: Sequence[Tunnel]) -> str:
    return f"{listed([each.id.name for each in group])} of {branch.name} {_number(group)}"


def _number(group: Sequence[Tunnel]) -> str:
    return "both" if len(group) == 2 else "all"


def _though(group: Iterable[Tunnel]) -> str:
    isps = sorted({each.uplink.isp for each in group})
    return f", though their ISPs are {listed(isps)}" if len(isps) > 1 else ""


def _isps(group: Iterable[Tunnel]) -> str:
    return listed(sorted({each.uplink.isp for each in group}))


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
