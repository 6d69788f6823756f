"""shared_fate: tunnels of a branch that seem to be independent, and are seen not to be. Pure.

Two signs. They arrive by one way, whatever the files say (`arrivals`). Or they go down together again and again while
the rest of the hub stays up: then they share something, be it a power strip, a duct, or an ISP behind both ISPs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations

from policies.arrivals import Arrival, Pair, Ways, arrivals, listed
from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Intent, Tunnel
from policies.model.view import LivenessState, View
from policies.overrides.times import shown

TOGETHER = timedelta(seconds=2)
"""How far apart the silences of two tunnels may begin that fail together."""
SETTLES = timedelta(seconds=10)
"""How long after a death others of the same moment may still be found."""
PATIENCE = timedelta(seconds=60)
"""How long is waited for a moment without a death."""
REMEMBERED = timedelta(days=30)
TOO_OFTEN = 3
"""From so many times on in `REMEMBERED` it is no chance."""


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
    went down together (seconds of the wall clock), `arriving` who arrives together and since when, by the fault's key.
    """

    up: frozenset[TunnelId] = frozenset()
    deaths: tuple[Death, ...] = ()
    together: Mapping[Pair, tuple[float, ...]] = field(default_factory=dict)
    arriving: Mapping[str, tuple[Arrival, Instant]] = field(default_factory=dict)


def look(fates: Fates, intent: Intent, view: View, ways: Ways, now: Now) -> Fates:
    """What is remembered after this look. While the forwarder is not there nobody knows what lives."""
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
    arriving = {
        found.key: (found, fates.arriving[found.key][1] if found.key in fates.arriving else now.monotonic)
        for found in arrivals(intent, up, ways, now.monotonic)
    }
    return Fates(up, deaths, together, arriving)


def shared_fates(fates: Fates, intent: Intent, now: Now) -> tuple[SharedFate, ...]:
    """What is to be told now."""
    arriving = [
        _arriving_together(arrival, since, now)
        for arrival, since in fates.arriving.values()
        if now.monotonic - since >= arrival.seen_for.total_seconds()
    ]
    tunnels = intent.tunnels()
    often = [
        _failing_together(pair, times, tunnels, now)
        for pair, times in sorted(_recent(fates.together, now).items())
        if len(times) >= TOO_OFTEN and tunnels.keys() >= set(pair)
    ]
    return (*arriving, *often)


def _arriving_together(arrival: Arrival, since: Instant, now: Now) -> SharedFate:
    began = shown(now.wall - timedelta(seconds=now.monotonic - since), now.wall)
    text = f"{arrival.text}, since {began}: one outage takes {arrival.number}"
    return SharedFate(arrival.key, arrival.branch, text, arrival.mend)


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
    isps = listed([tunnels[one].uplink.isp, tunnels[other].uplink.isp])
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


def recalled(together: Mapping[Pair, tuple[float, ...]]) -> Fates:
    """What a new process begins with: what outlived the last one."""
    return replace(Fates(), together=dict(together))
