"""Sizes and measures in words."""

from __future__ import annotations

import pytest

from policies.figures import metric_words, size_words
from policies.model.health import Metric


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.4, "999 B"),
        (999_600, "1 MB"),
        (812_345, "812 kB"),
        (3_100_000_000, "3.1 GB"),
        (2.5e15, "2500 TB"),
    ],
)
def test_a_size_is_in_the_unit_in_which_it_is_read(size: float, words: str) -> None:
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        (Metric.LOSS, 0.024, "2.4 %"),
        (Metric.LOSS, 0.313, "31 %"),
        (Metric.RTT, 0.0084, "8.4 ms"),
        (Metric.RTT, 0.00997, "10 ms"),
        (Metric.JITTER, 0.0312, "31 ms"),
    ],
)
def test_a_measure_has_two_digits(metric: Metric, value: float, words: str) -> None:
    assert metric_words(metric, value) == words
