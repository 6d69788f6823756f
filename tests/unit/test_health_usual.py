"""What round trip is usual on a tunnel."""

from __future__ import annotations

import json

import pytest

from policies.health.usual import ENOUGH, MOST_BINS, NO_USUAL, Usual, learnt, usual_from_json

DAY = 86_400.0


def over(*told: tuple[float, float], usual: Usual = NO_USUAL) -> Usual:
    for rtt, seconds in told:
        for _ in range(24):
            usual = learnt(usual, rtt, seconds / 24)
    return usual


def test_before_ten_minutes_nothing_is_usual() -> None:
    assert learnt(NO_USUAL, 0.03, ENOUGH - 1).rtt is None
    assert learnt(NO_USUAL, 0.03, ENOUGH).rtt is not None


@pytest.mark.parametrize("rtt", [0.0004, 0.004, 0.0312, 0.6])
def test_it_is_the_median_within_three_percent(rtt: float) -> None:
    assert over((rtt, DAY)).rtt == pytest.approx(rtt, rel=0.03)


def test_a_few_bad_hours_change_nothing() -> None:
    assert over((0.03, 5 * DAY), (0.3, DAY)).rtt == pytest.approx(0.03, rel=0.03)


def test_a_path_that_stays_changed_is_the_usual_one_after_half_a_week() -> None:
    week = over((0.03, 60 * DAY))
    assert over((0.08, 3.3 * DAY), usual=week).rtt == pytest.approx(0.03, rel=0.03)
    assert over((0.08, 3.7 * DAY), usual=week).rtt == pytest.approx(0.08, rel=0.03)


def test_a_month_at_once_comes_to_the_same_as_hour_by_hour() -> None:
    slow = NO_USUAL
    for _ in range(30 * 24):
        slow = learnt(slow, 0.03, 3600)
    assert learnt(NO_USUAL, 0.03, 30 * DAY).weights[0][1] == pytest.approx(slow.weights[0][1])


def test_no_time_teaches_nothing() -> None:
    assert learnt(NO_USUAL, 0.03, 0) == NO_USUAL


def test_it_is_small_whatever_comes() -> None:
    usual = NO_USUAL
    for place in range(5000):
        usual = learnt(usual, 0.001 * 1.05 ** (place % 150), 60)
    assert len(usual.weights) <= MOST_BINS
    assert len(json.dumps(usual.to_json())) < 1000


def test_it_outlives_a_restart() -> None:
    usual = over((0.03, DAY), (0.04, DAY))
    again = usual_from_json(json.loads(json.dumps(usual.to_json())))
    assert again.rtt == pytest.approx(usual.rtt, rel=1e-3)
    assert again.seconds == pytest.approx(usual.seconds)
    assert usual_from_json(NO_USUAL.to_json()) == NO_USUAL


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        {},
        {"seconds": "many", "weights": {}},
        {"seconds": 1.0, "weights": []},
        {"seconds": 1.0, "weights": {"x": 1.0}},
        {"seconds": 1.0, "weights": {"1": -1.0}},
        {"seconds": float("nan"), "weights": {}},
        {"seconds": 1.0, "weights": {"99999": 1.0}},
        {"seconds": 1.0, "weights": {str(bin_): 1.0 for bin_ in range(MOST_BINS + 1)}},
    ],
)
def test_what_was_not_stored_by_it_is_refused(stored: object) -> None:
    with pytest.raises(ValueError, match="what is usual on a tunnel"):
        usual_from_json(stored)
