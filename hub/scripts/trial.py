"""Situations in which a script is tried before it is put to work: of every branch under it, well and not so well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from policies.model.clock import Instant, Now
from policies.model.health import HealthState
from policies.model.intent import Intent
from policies.model.view import LivenessState, View
from policies.scripts.api import BranchSituation, NetworkSituation, TunnelSituation
from policies.scripts.situation import network_of, situation_of

Change = Callable[[TunnelSituation], TunnelSituation]

MOST_BRANCHES = 100
NOON = Now(Instant(0.0), datetime(2024, 2, 29, 12, 0, tzinfo=UTC))
"""A moment like any other, so that a check says the same every day."""


def trials(intent: Intent, script: str) -> Iterator[tuple[str, NetworkSituation, Mapping[str, BranchSituation]]]:
    """What is tried, in words, with the situations of the branches under this script."""
    under = [branch for branch in intent.branches.values() if branch.policy.script == script][:MOST_BRANCHES]
    network = network_of(intent, {}, NOON)
    unknown = {branch.name: situation_of(branch, View(), None, NOON) for branch in under}
    well = {name: _each(branch, _well) for name, branch in unknown.items()}
    yield "when nothing is known yet", network, unknown
    yield "when all is well", network, well
    for rank in range(max((len(branch.tunnels) for branch in well.values()), default=0)):
        yield f"when tunnel {rank + 1} is degraded", network, _all_but(well, rank, _degraded)
        yield f"when tunnel {rank + 1} is down", network, _all_but(well, rank, _down)
    yield "when all tunnels are down", network, {name: _each(branch, _down) for name, branch in well.items()}


def _each(branch: BranchSituation, change: Change) -> BranchSituation:
    return replace(branch, tunnels=tuple(change(tunnel) for tunnel in branch.tunnels))


def _all_but(branches: Mapping[str, BranchSituation], rank: int, change: Change) -> dict[str, BranchSituation]:
    return {
        name: replace(branch, tunnels=tuple(change(t) if t.rank == rank else t for t in branch.tunnels))
        for name, branch in branches.items()
    }


def _well(tunnel: TunnelSituation) -> TunnelSituation:
    return replace(
        tunnel,
        liveness=LivenessState.UP,
        health=HealthState.UP,
        loss=0.0,
        rtt=0.02,
        jitter=0.001,
        usual_rtt=0.02,
        active=tunnel.rank == 0,
    )


def _degraded(tunnel: TunnelSituation) -> TunnelSituation:
    return replace(tunnel, health=HealthState.DEGRADED, loss=0.05, rtt=0.25)


def _down(tunnel: TunnelSituation) -> TunnelSituation:
    return replace(tunnel, liveness=LivenessState.DOWN, health=HealthState.UNKNOWN, loss=None, rtt=None, jitter=None)
