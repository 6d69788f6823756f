"""situation: what scripts are told, from what is configured, believed and decided. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.verdicts import Verdict
from policies.model.view import View
from policies.ranking import standing_order
from policies.schedule import local
from policies.scripts.api import BranchSituation, NetworkSituation, TunnelSituation


@dataclass(frozen=True, slots=True)
class Situations:
    """A Situations is all that scripts are asked about: the network, and for each script the branches under it."""

    network: NetworkSituation
    by_script: Mapping[str, Mapping[str, BranchSituation]] = field(default_factory=dict)


def situation_of(branch: Branch, view: View, active: TunnelId | None, now: Now) -> BranchSituation:
    """The situation of a branch that is on `active`."""
    out_of_service = view.overridden(branch.name).drained | branch.leaving
    return BranchSituation(
        name=branch.name,
        wall=to_the_minute(local(now, branch.timezone)),
        tunnels=tuple(
            _tunnel(tunnel, view, rank=rank, drained=tunnel.id in out_of_service, active=tunnel.id == active)
            for rank, tunnel in enumerate(standing_order(branch))
        ),
        policy=branch.policy.name,
        prefer=branch.policy.prefer,
        metered=branch.policy.metered,
    )


def _tunnel(tunnel: Tunnel, view: View, *, rank: int, drained: bool, active: bool) -> TunnelSituation:
    measured = view.health_of(tunnel.id)
    return TunnelSituation(
        name=tunnel.id.name,
        kind=tunnel.uplink.kind,
        isp=tunnel.uplink.isp,
        metered=tunnel.uplink.metered,
        hub_uplink=tunnel.hub_uplink.name,
        hub_isp=tunnel.hub_uplink.isp,
        liveness=view.liveness_of(tunnel.id).state,
        health=measured.state,
        loss=_rounded_loss(measured.figures.loss),
        rtt=_rounded_seconds(measured.figures.rtt),
        jitter=_rounded_seconds(measured.figures.jitter),
        usual_rtt=_rounded_seconds(measured.usual_rtt),
        drained=drained,
        active=active,
        rank=rank,
    )


def network_of(intent: Intent, verdicts: Mapping[str, Verdict], now: Now) -> NetworkSituation:
    """The situation of the network; a branch counts where it was decided to be."""
    wall = to_the_minute(local(now, intent.timezone))
    tunnels = intent.tunnels()
    on_hub_uplink = Counter(dict.fromkeys(intent.hub.uplinks, 0))
    on_isp = Counter(dict.fromkeys(sorted({tunnel.uplink.isp for tunnel in tunnels.values()}), 0))
    for verdict in verdicts.values():
        on = verdict.chosen or verdict.active
        if on is not None and on in tunnels:
            on_hub_uplink[tunnels[on].hub_uplink.name] += 1
            on_isp[tunnels[on].uplink.isp] += 1
    return NetworkSituation(
        name=intent.network,
        wall=wall,
        branches=tuple(intent.branches),
        on_hub_uplink=dict(on_hub_uplink),
        on_isp=dict(on_isp),
    )


def situations_of(intent: Intent, view: View, verdicts: Mapping[str, Verdict], now: Now) -> Situations:
    """The situations of all branches whose policy names a script.

    It takes tens of microseconds a branch: who decides often keeps what did not change, and uses `situation_of`.
    """
    by_script: dict[str, dict[str, BranchSituation]] = {}
    for name, branch in intent.branches.items():
        if branch.policy.script is not None:
            verdict = verdicts.get(name)
            on = verdict.active if verdict is not None else None
            by_script.setdefault(branch.policy.script, {})[name] = situation_of(branch, view, on, now)
    return Situations(network_of(intent, verdicts if by_script else {}, now), by_script)


def to_the_minute(wall: datetime) -> datetime:
    """The time without its seconds, and with its present offset: the same for as long as nothing new can follow."""
    return wall.replace(second=0, microsecond=0, tzinfo=timezone(wall.utcoffset() or timedelta(0)))


def _rounded_loss(share: float | None) -> float | None:
    """To half a per cent."""
    return None if share is None else round(share * 200) / 200


def _rounded_seconds(seconds: float | None) -> float | None:
    """To two digits, and never finer than a millisecond."""
    if seconds is None:
        return None
    digits = 3 if seconds < 0.1 else 2 if seconds < 1 else 1
    return round(seconds, digits)
