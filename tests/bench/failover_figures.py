"""From single cuts to figures: median, quantile, and how sure the median is. Pure.

The intervals are percentile bootstraps (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13): the sample
is drawn again from itself, many times, and the middle 95 % of the medians of those draws is the interval.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DRAWS = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """An Estimate is a value and the 95 % interval about it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A Figures is a sample in short."""

    n: int
    median: Estimate
    p95: float
    highest: float


def figures(values: Sequence[float], seed: int) -> Figures:
    """A sample in short.

    Raises:
        ValueError: it is empty.
    """
    return Figures(len(values), median_of(values, seed), quantile(values, 0.95), max(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the sample does not exceed (nearest rank).

    Raises:
        ValueError: the sample is empty.
    """
    if not values:
        raise ValueError("a quantile of no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median_of(values: Sequence[float], seed: int, draws: int = DRAWS) -> Estimate:
    """The median with its bootstrap interval.

    Raises:
        ValueError: the sample is empty.
    """
    again = _draws(values, random.Random(seed), draws)
    return _estimate(statistics.median(values), again)


def difference_of_medians(values: Sequence[float], others: Sequence[float], seed: int, draws: int = DRAWS) -> Estimate:
    """How much larger the median of `values` is than that of `others`, both drawn again apart from each other.

    Raises:
        ValueError: a sample is empty.
    """
    generator = random.Random(seed)
    again = [a - b for a, b in zip(_draws(values, generator, draws), _draws(others, generator, draws), strict=True)]
    return _estimate(statistics.median(values) - statistics.median(others), again)


def _draws(values: Sequence[float], generator: random.Random, draws: int) -> list[float]:
    if not values:
        raise ValueError("a median of no values")
    draw: Callable[[], list[float]] = lambda: generator.choices(values, k=len(values))  # noqa: E731 - one line
    return [statistics.median(draw()) for _ in range(draws)]


def _estimate(value: float, again: Sequence[float]) -> Estimate:
    rest = (1 - CONFIDENCE) / 2
    return Estimate(value, quantile(again, rest), quantile(again, 1 - rest))
