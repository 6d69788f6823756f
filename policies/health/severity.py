"""severity: of tunnels that are all bad, which is the least bad."""

from __future__ import annotations

from math import floor, log2

from policies.model.health import Figures

_LEAST_LOSS = 0.005
_LEAST_RTT = 0.010


def severity(figures: Figures) -> tuple[int, int]:
    """How bad a tunnel is, the lowest first: by loss, then by round trip, each in steps of a factor of two.

    Steps, so that two that are nearly alike do not change places with every probe. What is not known is the worst.
    """
    return _steps(figures.loss, _LEAST_LOSS), _steps(figures.rtt, _LEAST_RTT)


def _steps(value: float | None, least: float) -> int:
    if value is None:
        return 99
    return max(floor(log2(value / least)) + 1, 0) if value > 0 else 0
