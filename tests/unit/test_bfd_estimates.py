"""What is believed of a tunnel's round trip when single answers were held up on their way."""

from __future__ import annotations

import pytest

from speaker.bfd.estimates import RoundTrip

MS = 1_000_000


def measured(*milliseconds: float) -> RoundTrip:
    round_trip = RoundTrip()
    for each in milliseconds:
        round_trip.sample(int(each * MS))
    return round_trip


@pytest.mark.parametrize("usual", [1, 20, 200])
def test_an_answer_that_waited_for_the_first_handshake_is_not_the_usual_round_trip(usual: float) -> None:
    learnt = measured(5000, *[usual] * 6)
    assert learnt.smoothed == usual * MS
    assert learnt.variation < usual * MS


@pytest.mark.parametrize("usual", [1, 20, 200])
def test_one_answer_that_was_held_up_adds_little(usual: float) -> None:
    learnt = measured(*[usual] * 20, 5000)
    assert learnt.smoothed + 4 * learnt.variation < (2 * usual + 60) * MS


def test_a_path_that_became_longer_is_learnt_in_a_few_samples() -> None:
    learnt = measured(*[20] * 20, *[170] * 6)
    assert learnt.smoothed + 4 * learnt.variation > 170 * MS
    assert measured(*[20] * 20, *[170] * 40).smoothed == pytest.approx(170 * MS, rel=0.02)


def test_what_a_busy_machine_adds_is_variation() -> None:
    assert measured(*[1] * 20, 30).variation > 7 * MS
