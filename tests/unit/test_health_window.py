"""What the samples of a window come to, in whatever order they came."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import inf, nan

import pytest

from policies.health.window import (
    LEAST,
    MANY,
    MOST,
    MOST_ROUND_TRIPS,
    NO_SAMPLES,
    PATIENCE,
    Count,
    Window,
    figures,
    makes_sense,
)
from policies.model.clock import Instant
from policies.model.health import NO_FIGURES, Figures, Samples


def told(
    begins: float, sent: int, lost: int = 0, *round_trips: float, lasts: float = 0.2, burst: bool = False
) -> Samples:
    return Samples(Instant(begins), Instant(begins + lasts), sent, lost, round_trips, burst)


def window(*samples: Samples) -> Window:
    made = NO_SAMPLES
    for each in samples:
        made = made.added(each)
    return made


def test_loss_is_the_mean_and_round_trip_the_median() -> None:
    seen = window(told(100.0, 4, 1, 0.010, 0.020, 0.030), told(101.0, 4, 1, 0.040, 0.050, 9.0))
    assert figures(seen, 10) == Figures(0.25, 0.035, pytest.approx(0.010))


def test_jitter_is_the_median_difference_of_successive_round_trips() -> None:
    seen = window(told(100.0, 3, 0, 0.010, 0.012, 0.010), told(101.0, 2, 0, 0.016, 0.010))
    assert figures(seen, 10).jitter == pytest.approx((0.002 + 0.006) / 2)


def test_what_ended_before_the_window_does_not_count() -> None:
    seen = window(told(100.0, 10, 10), told(106.0, 10, 0, *[0.02] * 10))
    assert figures(seen, 5).loss == 0.0
    assert figures(seen, 7).loss == 0.5


def test_nothing_measured_has_no_figures() -> None:
    assert figures(NO_SAMPLES, 10) == NO_FIGURES


def test_bursts_count_for_loss_and_not_for_round_trips() -> None:
    seen = window(told(100.0, 2, 0, 0.010, 0.010), told(100.1, 8, 5, 0.5, 0.5, 0.5, burst=True))
    assert figures(seen, 10) == Figures(0.5, 0.010, 0.0)


def test_of_a_long_one_the_part_in_the_window_counts() -> None:
    hour = told(0.0, 36_000, 3_600, 0.020, lasts=3600)
    seen = window(hour, told(3600.0, 50, 0, 0.100, 0.100, lasts=5))
    start = seen.end - 10
    assert seen.since(start).count(start) == Count(pytest.approx(100), pytest.approx(5))
    assert seen.since(start).round_trip(start) == 0.100
    assert seen.since(start - 1).round_trip(start - 1) == 0.020


def test_a_window_with_too_few_probes_is_lengthened() -> None:
    seen = window(*(told(100.0 + 10 * place, 1, 0, 0.02, lasts=0) for place in range(10)))
    assert seen.start_of(5, answered=True) == pytest.approx(190 - 10 * (LEAST - 1), abs=0.1)


def test_a_window_that_has_enough_is_not_lengthened() -> None:
    seen = window(*(told(100.0 + place, 5, 0, 0.02, lasts=0) for place in range(10)))
    assert seen.start_of(2, answered=True) == 107.0


def test_too_few_probes_within_patience_are_nothing() -> None:
    far = [told(100.0, 9, 0, 0.02), told(100.0 + PATIENCE + 1, 1, 0, 0.02)]
    assert window(*far).start_of(5, answered=False) is None
    assert NO_SAMPLES.start_of(5, answered=False) is None


LATE = (
    told(100.0, 3, 1, 0.02, 0.02),
    told(100.3, 3, 2, 0.02),
    Samples(Instant(100.1), Instant(100.2), 0, -1, (0.4,)),
    told(101.0, 3, 0, 0.02, 0.02, 0.02),
)


@pytest.mark.parametrize("order", list(permutations(LATE)))
def test_a_loss_is_taken_back_where_it_was_counted(order: tuple[Samples, ...]) -> None:
    settled = window(*order).settled()
    assert [entry.lost for entry in settled.entries] == [0, 2, 0]
    assert settled.entries[0].round_trips == (0.02, 0.02, 0.4)


def test_a_burst_without_any_answer_in_time_is_believed_when_a_later_probe_was_answered() -> None:
    silent = told(100.0, 25, 25, burst=True)
    assert window(silent).credible_bursts(99.0).count() == Count(0, 0)
    assert window(told(99.0, 3), silent).credible_bursts(99.0).count() == Count(0, 0)
    assert window(silent, told(100.3, 3)).credible_bursts(99.0).count() == Count(25, 25)
    assert window(silent, told(103.3, 3, 3)).credible_bursts(99.0).count() == Count(25, 25)
    some = told(100.0, 25, 5, burst=True)
    assert window(some).credible_bursts(99.0).count() == Count(25, 5)
    late = Samples(Instant(100.0), Instant(100.1), 0, -10, (0.4,) * 10, burst=True)
    assert window(silent, late).credible_bursts(99.0).count() == Count(0, 0)
    assert window(silent, late, told(100.3, 3)).credible_bursts(99.0).count() == Count(25, 15)


def test_no_more_is_taken_back_than_was_lost() -> None:
    taken = Samples(Instant(100.0), Instant(100.2), 0, -3, (0.4, 0.5, 0.6))
    settled = window(told(100.0, 3, 1, 0.02, 0.02), taken).settled()
    assert settled.count() == Count(3, 0)


def test_what_a_burst_lost_is_taken_back_from_a_burst() -> None:
    taken = Samples(Instant(100.0), Instant(100.2), 0, -1, (0.4,), burst=True)
    settled = window(told(100.0, 3, 1), told(100.0, 3, 1, burst=True), taken).settled()
    assert [(entry.burst, entry.lost) for entry in settled.entries] == [(False, 1), (True, 0)]


@pytest.mark.parametrize(
    ("samples", "fine"),
    [
        (told(100.0, 3, 1, 0.02, 0.02), True),
        (Samples(Instant(100.0), Instant(100.0), 0, -1, (0.2,)), True),
        (told(100.0, 3, 4), False),
        (told(100.0, -1, -1), False),
        (told(nan, 3, 1), False),
        (told(inf, 3, 1), False),
        (told(100.0, 3, 1, lasts=-1), False),
        (told(100.0, 3, 1, -0.02), False),
        (told(100.0, 3, 1, nan), False),
    ],
)
def test_samples_that_cannot_be(samples: Samples, fine: bool) -> None:
    assert makes_sense(samples) is fine


def test_what_is_old_or_of_the_future_is_left_out() -> None:
    seen = window(told(100.0, 1, 1), told(150.0, 2), told(1e12, 3))
    assert [entry.sent for entry in seen.recent(Instant(151.0), 20).entries] == [2]
    assert seen.recent(Instant(151.0), 20).odd == ()


def test_many_samples_are_put_together_and_come_to_the_same() -> None:
    seen = window(
        *(
            told(100.0 + place / 10, 1, int(place % 20 == 0), *[0.02] * int(place % 20 != 0), lasts=0)
            for place in range(2000)
        )
    )
    assert len(seen.entries) < MANY + 64
    assert seen.count() == Count(2000, 100)
    assert sum(entry.lost for entry in seen.odd) == 100
    fine = seen.since(seen.end - 5)
    assert len(fine.entries) == 50


def test_there_are_never_more_than_so_many() -> None:
    seen = window(*(told(100.0 + 2 * place, 1, 1, lasts=0) for place in range(2 * MOST)))
    assert len(seen.entries) < MOST + 64
    assert len(seen.odd) <= len(seen.entries)


def test_of_many_round_trips_evenly_chosen_ones_are_kept() -> None:
    seen = window(told(100.0, 1001, 0, *(place / 1000 for place in range(1001))))
    assert len(seen.entries[0].round_trips) == MOST_ROUND_TRIPS
    assert figures(seen, 10).rtt == pytest.approx(0.5, abs=0.01)


def test_a_gap_is_seen() -> None:
    seen = window(told(100.0, 5), told(130.0, 5), told(131.0, 5))
    assert seen.longest_gap(99.0) == pytest.approx(29.8)


def test_a_sample_of_the_past_takes_its_place_in_time() -> None:
    one, other = told(100.0, 1, 0, 0.01), told(101.0, 1, 0, 0.02)
    assert window(one, other) == window(other, one)
    assert window(one, replace(one, sent=2)) == window(replace(one, sent=2), one)
