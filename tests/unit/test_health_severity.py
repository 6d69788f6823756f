"""Which of bad tunnels is the least bad."""

from __future__ import annotations

import pytest

from policies.health.severity import severity
from policies.model.health import NO_FIGURES, Figures

FROM_BEST_TO_WORST = [
    Figures(0.0, 0.004),
    Figures(0.0, 0.030),
    Figures(0.0, 0.300),
    Figures(0.01, 0.004),
    Figures(0.05, 0.004),
    Figures(0.05, 0.300),
    Figures(0.30, 0.004),
    Figures(0.90, 0.004),
    NO_FIGURES,
]


def test_loss_counts_before_round_trip() -> None:
    worsts = [severity(figures) for figures in FROM_BEST_TO_WORST]
    assert worsts == sorted(set(worsts))


@pytest.mark.parametrize(("one", "other"), [((0.050, 0.030), (0.055, 0.030)), ((0.0, 0.021), (0.0, 0.029))])
def test_what_is_nearly_alike_is_alike(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert severity(Figures(*one)) == severity(Figures(*other))
