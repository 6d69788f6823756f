"""What a window's figure says against a limit, and what a burst says to that."""

from __future__ import annotations

import pytest
from simulated_probes import limit

from policies.health.limits import Reading, agrees, confirmation, passed, read
from policies.health.usual import NO_USUAL, Usual
from policies.health.window import NO_SAMPLES, Window
from policies.model.clock import Instant
from policies.model.health import HealthLimits, Limit, Metric, Samples

LOSS, RTT, JITTER = limit(Metric.LOSS, 0.03, 5), limit(Metric.RTT, 0.1, 5), limit(Metric.JITTER, 0.03, 5)
KNOWN = Usual(rtt=0.031)


def window(sent: int, lost: int, *round_trips: float, burst: bool = False) -> Window:
    return NO_SAMPLES.added(Samples(Instant(100.0), Instant(100.9), sent, lost, round_trips, burst))


@pytest.mark.parametrize(
    ("asked", "seen", "over"),
    [
        (LOSS, window(20, 3, *[0.02] * 17), True),
        (LOSS, window(20, 2, *[0.02] * 18), False),
        (LOSS, window(100, 3, *[0.02] * 64), False),
        (LOSS, window(4, 3, 0.02), False),
        (RTT, window(5, 0, *[0.101] * 5), True),
        (RTT, window(5, 0, *[0.1] * 5), False),
        (RTT, window(4, 0, *[0.2] * 4), False),
        (RTT, window(9, 4, *[0.2] * 5, burst=True), False),
        (JITTER, window(6, 0, 0.02, 0.06, 0.02, 0.06, 0.02, 0.06), True),
        (JITTER, window(6, 0, 0.02, 0.04, 0.02, 0.04, 0.02, 0.09), False),
        (limit(Metric.RTT, 0.08, 5, above_usual=True), window(5, 0, *[0.112] * 5), True),
        (limit(Metric.RTT, 0.08, 5, above_usual=True), window(5, 0, *[0.110] * 5), False),
        (limit(Metric.JITTER, 0.01, 5, above_usual=True), window(5, 0, 0.1, 0.2, 0.1, 0.2, 0.1), False),
    ],
)
def test_a_limit_is_passed(asked: Limit, seen: Window, over: bool) -> None:
    assert [reading.limit for reading in passed([asked], seen, KNOWN)] == ([asked] if over else [])


def test_what_is_above_usual_says_nothing_while_that_is_not_known() -> None:
    asked = limit(Metric.RTT, 0.08, 5, above_usual=True)
    assert read(asked, window(5, 0, *[9.0] * 5), NO_USUAL) is None


def reading(asked: Limit, figure: float) -> Reading:
    return Reading(asked, figure, asked.value, 0.0)


@pytest.mark.parametrize(
    ("asked", "burst", "agreed", "said"),
    [
        (LOSS, window(50, 2, *[0.02] * 48, burst=True), True, "2 of 50 confirmation probes lost"),
        (LOSS, window(50, 1, *[0.02] * 49, burst=True), False, "1 of 50 confirmation probes lost"),
        (LOSS, window(90, 2, *[0.02] * 64, burst=True), False, "2 of 90 confirmation probes lost"),
        (LOSS, window(9, 9, burst=True), False, "9 of 9 confirmation probes lost"),
        (RTT, window(5, 0, *[0.15] * 5, burst=True), True, "5 confirmation probes took 150 ms"),
        (RTT, window(5, 0, 0.15, 0.15, 0.09, 0.09, 0.09, burst=True), False, "5 confirmation probes took 90 ms"),
        (
            JITTER,
            window(5, 0, 0.02, 0.02, 0.06, 0.02, 0.02, burst=True),
            True,
            "5 confirmation probes differed by 40 ms",
        ),
        (JITTER, window(5, 0, *[0.02] * 5, burst=True), False, "5 confirmation probes differed by 0 ms"),
    ],
)
def test_a_burst_agrees(asked: Limit, burst: Window, agreed: bool, said: str) -> None:
    assert agrees(reading(asked, 1.0), burst) is agreed
    assert confirmation(reading(asked, 1.0), burst) == said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("loss 6.2 % over 5 s (limit 3 %)", reading(LOSS, 0.0621)),
        ("loss 34 % over 5 s (limit 3 %)", reading(LOSS, 0.341)),
        ("rtt 181 ms over 5 s (limit 100 ms)", reading(RTT, 0.1812)),
        ("jitter 41 ms over 5 s (limit 30 ms)", reading(JITTER, 0.041)),
        (
            "rtt 181 ms over 5 s (limit usual 31 ms + 80 ms)",
            Reading(limit(Metric.RTT, 0.08, 5, above_usual=True), 0.181, 0.111, 0.0, 0.031),
        ),
    ],
)
def test_a_reading_in_words(text: str, told: Reading) -> None:
    assert str(told) == text


def test_no_limits_need_no_more_than_patience() -> None:
    assert passed(HealthLimits().degraded_when_any, window(9, 9), KNOWN) == []
