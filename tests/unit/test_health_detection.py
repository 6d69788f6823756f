"""How soon the real judge finds a tunnel bad that loses probes by lot; scripts/bench health measures it with more."""

from __future__ import annotations

from statistics import median

import pytest
from simulated_probes import SimulatedProbes

from policies.health.memory import HealthMemory
from policies.health.usual import NO_USUAL, learnt
from policies.model.health import HealthState

ROUNDS = 20
BEFORE = 12.0


def found_after(seed: int, *, loss: float = 0.0, rises: float = 0.0, interval: float = 0.1) -> float | None:
    """Seconds from when the tunnel becomes so until it is degraded; None when it is not within half a minute."""
    begins = 1000.0 + BEFORE + seed * 0.0137
    probes = SimulatedProbes(
        lambda at: loss if at >= begins else 0.0,
        lambda at: 0.020 + (rises if at >= begins else 0.0),
        interval=interval,
        seed=seed,
        memory=HealthMemory(usual=learnt(NO_USUAL, 0.020, 86_400)),
    )
    assert probes.run(begins, stop=HealthState.DEGRADED) is None
    found = probes.run(begins + 30, stop=HealthState.DEGRADED)
    return None if found is None else found - begins


@pytest.mark.parametrize(
    ("loss", "rises", "within"),
    [(0.05, 0.0, 5.0), (0.0975, 0.0, 2.5), (0.30, 0.0, 1.0), (0.51, 0.0, 0.75), (0.0, 0.150, 4.0)],
)
def test_a_bad_tunnel_is_found_in_time_by_half(loss: float, rises: float, within: float) -> None:
    times = [found_after(seed, loss=loss, rises=rises) for seed in range(ROUNDS)]
    assert median(time if time is not None else 30.0 for time in times) <= within


def test_with_a_probe_every_50_ms_nearly_all_that_lose_30_percent_are_found_within_a_second() -> None:
    times = [found_after(seed, loss=0.30, interval=0.05) for seed in range(ROUNDS)]
    assert sum(time is not None and time <= 1.0 for time in times) >= ROUNDS * 0.85


@pytest.mark.parametrize("loss", [0.0, 0.002])
def test_a_good_tunnel_is_not_found_bad(loss: float) -> None:
    probes = SimulatedProbes(lambda _: loss, lambda _: 0.020, seed=7)
    probes.run(1000.0 + 600)
    assert [view.state for _, view in probes.changes] == [HealthState.UP]
    assert probes.burst_probes <= 0.25 * probes.probes


def test_a_round_trip_that_rises_beyond_the_wait_is_not_taken_for_loss() -> None:
    begins = 1030.0
    probes = SimulatedProbes(lambda _: 0.0, lambda at: 0.020 if at < begins else 0.320, seed=3)
    probes.run(begins + 20)
    assert [view.state for _, view in probes.changes] == [HealthState.UP]
    assert probes.memory.view.figures.loss == 0.0


def test_without_bursts_nothing_is_judged() -> None:
    probes = SimulatedProbes(lambda _: 0.5, lambda _: 0.020, seed=1, bursts_work=False)
    probes.run(1060.0)
    assert [view.state for _, view in probes.changes] == [HealthState.UP]
