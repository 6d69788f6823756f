"""shared_fate: tunnels of a branch that seem to be independent, and are seen not to be. Pure.

Two signs. Their packets arrive from one address, or from one network of an ISP: then both come over one line, whatever
the files say. Or they go down together again and again while the rest of the hub stays up: then they share something,
be it a power strip, a duct, or an ISP behind both ISPs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import combinations

from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.view import LivenessState, View
from policies.overrides.times import shown

ARRIVING_FOR = timedelta(seconds=60)
"""How long tunnels must be seen to arrive together: one that re-homes comes back within seconds."""
TOGETHER = timedelta(seconds=2)
"""How far apart the silences of two tunnels may begin that fail together."""
SETTLES = timedelta(seconds=10)
"""How long after a death others of the same moment may still be found."""
PATIENCE = timedelta(seconds=60)
"""How long is waited for a moment without a death."""
REMEMBERED = timedelta(days=30)
TOO_OFTEN = 3
"""From so many times on in `REMEMBERED` it is no chance."""
SAME_NETWORK = {4: 24, 6: 48}
"""Prefix lengths within which addresses are most likely of one line's provider: what is announced alone in BGP."""
_INSIDE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7"))
)
"""Private use (RFC 1918, RFC 4193), shared by customers (RFC 6598), link-local: their networks are nobody's."""

Address = IPv4Address | IPv6Address
Pair = tuple[TunnelId, TunnelId]


@dataclass(frozen=True, slots=True)
class SharedFate:
    """A SharedFate is two or more tunnels of one branch that are not as independent as they look."""

    key: str
    branch: str
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Death:
    """A Death is when a tunnel was found dead, and when its silence may have begun at the earliest."""

    tunnel: TunnelId
    silent_from: Instant
    at: Instant


@dataclass(frozen=True, slots=True)
class Fates:
    """A Fates is what is remembered between two looks.

    `up` are the tunnels that lived at the last one, `deaths` those not yet judged, `together` when pairs of tunnels
    went down together (seconds of the wall clock), `arriving` since when tunnels arrive together, by the fault's key.
    """

    up: frozenset[TunnelId] = frozenset()
    deaths: tuple[Death, ...] = ()
    together: Mapping[Pair, tuple[float, ...]] = field(default_factory=dict)
    arriving: Mapping[str, Instant] = field(default_factory=dict)


def look(fates: Fates, intent: Intent, view: View, endpoints: Mapping[TunnelId, str], now: Now) -> Fates:
    """What is remembered after this look. `endpoints` are the outer ones of the tunnels' far ends, `ADDRESS:PORT`.

    While the forwarder is not there nobody knows what lives.
    """
    if not view.forwarder:
        return fates
    tunnels = intent.tunnels()
    up = frozenset(each for each in tunnels if view.liveness_of(each).state is LivenessState.UP)
    down = [each for each in sorted(fates.up & tunnels.keys()) if view.liveness_of(each).state is LivenessState.DOWN]
    deaths = (*fates.deaths, *(_death(tunnels[each], view.liveness_of(each).since) for each in down))
    together = _recent(fates.together, now)
    if deaths and _are_all_known(deaths, now.monotonic):
        lived = up | {death.tunnel for death in deaths}
        for pair in _pairs_that_died(intent, deaths, lived):
            together[pair] = (*together.get(pair, ()), now.wall.timestamp())
        deaths = ()
    keys = {key for key, _ in _arrivals(intent, up, endpoints)}
    arriving = {key: fates.arriving.get(key, now.monotonic) for key in keys}
    return Fates(up, deaths, together, arriving)


def shared_fates(fates: Fates, intent: Intent, endpoints: Mapping[TunnelId, str], now: Now) -> tuple[SharedFate, ...]:
    """What is to be told now."""
    long = {key for key, since in fates.arriving.items() if now.monotonic - since >= ARRIVING_FOR.total_seconds()}
    arrivals = [fault for key, fault in _arrivals(intent, fates.up, endpoints) if key in long]
    tunnels = intent.tunnels()
    often = [
        _failing_together(pair, times, tunnels, now)
        for pair, times in sorted(_recent(fates.together, now).items())
        if len(times) >= TOO_OFTEN and tunnels.keys() >= set(pair)
    ]
    return (*arrivals, *often)


def address_of(endpoint: str) -> Address | None:
    """The address of `203.0.113.7:51820` or `[2001:db8::1]:51820`; None where that is none."""
    text = endpoint.rpartition(":")[0].removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _arrivals(
    intent: Intent, up: Collection[TunnelId], endpoints: Mapping[TunnelId, str]
) -> Iterator[tuple[str, SharedFate]]:
    """A hub whose own router hides all senders learns nothing from their addresses."""
    found = {tunnel: address_of(endpoint) for tunnel, endpoint in endpoints.items() if tunnel in up}
    known = {tunnel: address for tunnel, address in found.items() if address is not None}
    if len({tunnel.branch for tunnel in known}) > 1 and len(set(known.values())) == 1:
        return
    for branch in intent.branches.values():
        mine = [tunnel for tunnel in branch.tunnels if tunnel.id in known]
        yield from _together_at(branch, mine, known)


def _together_at(
    branch: Branch, tunnels: Iterable[Tunnel], known: Mapping[TunnelId, Address]
) -> Iterator[tuple[str, SharedFate]]:
    told: set[TunnelId] = set()
    for one, other in combinations(tunnels, 2):
        if one.uplink.name == other.uplink.name or {one.id, other.id} <= told:
            continue  # of one uplink by its file
        here, there = known[one.id], known[other.id]
        where = f"{here}" if here == there else _common_network(here, there)
        # That two lines of one ISP come from one of its networks is no news: `check` warns of the ISP.
        if not where or (here != there and one.uplink.isp == other.uplink.isp):
            continue
        group = [each for each in tunnels if _is_within(known[each.id], where)]
        told |= {each.id for each in group}
        key = f"shared-fate:{branch.name}:from {where}"
        yield key, SharedFate(key, branch.name, _arriving_text(branch, group, where), _ARRIVING_MEND)


_ARRIVING_MEND = (
    "see by which line the branch's router sends each tunnel's packets: a route for each, and no other way out"
)


def _arriving_text(branch: Branch, group: Collection[Tunnel], where: str) -> str:
    names = _and([each.id.name for each in group])
    number = "both" if len(group) == 2 else "all"
    isps = sorted({each.uplink.isp for each in group})
    said = f", though their ISPs are {_and(isps)}" if len(isps) > 1 else ""
    network = "one network, " if "/" in where else ""
    return f"{names} of {branch.name} {number} arrive from {network}{where}{said}: one outage takes {number}"


def _common_network(here: Address, there: Address) -> str:
    """The network that both are of, "" if of none."""
    if here.version != there.version or any(here in inside for inside in _INSIDE if inside.version == here.version):
        return ""
    network = ip_network((here, SAME_NETWORK[here.version]), strict=False)
    return str(network) if there in network else ""


def _is_within(address: Address, where: str) -> bool:
    network = ip_network(where)
    return address.version == network.version and address in network


def _death(tunnel: Tunnel, at: Instant) -> Death:
    """Both profiles, as it is not known by which it was watched; a burst of probes may have found it sooner."""
    silence = max(tunnel.liveness.active.detection_time, tunnel.liveness.idle.detection_time)
    return Death(tunnel.id, Instant(at - silence.total_seconds()), at)


def _are_all_known(deaths: Collection[Death], now: Instant) -> bool:
    latest, first = max(death.at for death in deaths), min(death.at for death in deaths)
    return now - latest >= SETTLES.total_seconds() or now - first >= PATIENCE.total_seconds()


def _pairs_that_died(intent: Intent, deaths: Collection[Death], lived: Collection[TunnelId]) -> Iterator[Pair]:
    """Those over different ISPs that died at one moment, when what they share at the hub lived on."""
    dead, tunnels = {death.tunnel for death in deaths}, intent.tunnels()
    for one, other in combinations(sorted(deaths, key=lambda death: death.tunnel), 2):
        this, that = tunnels.get(one.tunnel), tunnels.get(other.tunnel)
        if this is None or that is None or this.id.branch != that.id.branch or this.uplink.isp == that.uplink.isp:
            continue
        ends = {this.hub_uplink.name, that.hub_uplink.name}
        beside = {each for each in lived if (t := tunnels.get(each)) is not None and t.hub_uplink.name in ends}
        if not beside <= dead and _at_once(one, other):
            yield this.id, that.id


def _at_once(one: Death, other: Death) -> bool:
    """Whether their silences may have begun within `TOGETHER`."""
    apart = max(one.silent_from, other.silent_from) - min(one.at, other.at)
    return one.tunnel != other.tunnel and apart <= TOGETHER.total_seconds()


def _failing_together(pair: Pair, times: tuple[float, ...], tunnels: Mapping[TunnelId, Tunnel], now: Now) -> SharedFate:
    one, other = pair
    isps = _and([tunnels[one].uplink.isp, tunnels[other].uplink.isp])
    last = datetime.fromtimestamp(times[-1], now.wall.tzinfo)
    text = (
        f"{one.name} and {other.name} of {one.branch} went down together {len(times)} times in {REMEMBERED.days} days "
        f"(last {shown(last, now.wall)}), while other tunnels stayed up: they share something, though their ISPs are "
        f"{isps}"
    )
    mend = f"see what both depend on: power, router and duct at {one.branch}; and ask {isps} for the way of each line"
    return SharedFate(f"shared-fate:{one.branch}:{one.name} with {other.name}", one.branch, text, mend)


def _recent(together: Mapping[Pair, tuple[float, ...]], now: Now) -> dict[Pair, tuple[float, ...]]:
    oldest = now.wall.timestamp() - REMEMBERED.total_seconds()
    kept = {pair: tuple(at for at in times if at >= oldest) for pair, times in together.items()}
    return {pair: times for pair, times in kept.items() if times}


def _and(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def recalled(together: Mapping[Pair, tuple[float, ...]]) -> Fates:
    """What a new process begins with: what outlived the last one."""
    return replace(Fates(), together=dict(together))
