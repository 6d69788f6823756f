"""When a round trip is measured, and which answers count."""

from __future__ import annotations

import pytest

from speaker.bfd.estimates import ECHOES_LOST, FIRST_SAMPLES, RoundTrip, Sampling

MS = 1_000_000


def settled() -> Sampling:
    """One that has had its first samples, all of 1 ms."""
    sampling = Sampling(RoundTrip(), 0)
    for _ in range(FIRST_SAMPLES):
        assert sampling.second(50 * MS)
        sampling.echo(MS)
    return sampling


@pytest.mark.parametrize(("interval_ms", "seconds"), [(10, 1), (50, 1), (100, 2), (300, 6), (1000, 20)])
def test_it_is_measured_once_in_twenty_intervals_and_at_most_once_a_second(interval_ms: int, seconds: int) -> None:
    sampling = settled()
    assert sum(sampling.second(interval_ms * MS) for _ in range(60)) == 60 // seconds


def test_tunnels_take_turns() -> None:
    first, second = settled(), Sampling(RoundTrip(), 1)
    for _ in range(FIRST_SAMPLES):
        second.second(50 * MS)
        second.echo(MS)
    asks = [(first.second(100 * MS), second.second(100 * MS)) for _ in range(4)]
    assert all(one != other for one, other in asks)


def test_of_a_burst_the_first_answer_counts() -> None:
    sampling = settled()
    sampling.burst()
    for trip in (9, 80, 90):
        sampling.probe(trip * MS)
    assert sampling.round_trip.samples == FIRST_SAMPLES + 1
    assert sampling.round_trip.smoothed == 2 * MS


def test_answers_of_a_tunnel_that_is_asked_since_its_death_do_not_count() -> None:
    sampling = settled()
    for _ in range(20):
        sampling.probe(100 * MS)
    assert sampling.round_trip.samples == FIRST_SAMPLES


def test_finals_count_only_where_no_echo_is_answered() -> None:
    sampling = settled()
    for lost in range(ECHOES_LOST):
        assert not sampling.by_finals, lost
        sampling.final(100 * MS)
        sampling.second(50 * MS)
    assert sampling.round_trip.samples == FIRST_SAMPLES
    assert sampling.by_finals
    sampling.final(3 * MS)
    assert sampling.round_trip.samples == FIRST_SAMPLES + 1


def test_until_the_first_echo_finals_count() -> None:
    sampling = Sampling(RoundTrip(), 0)
    sampling.final(3 * MS)
    assert sampling.round_trip.samples == 1


def test_one_echo_ends_what_finals_stand_in_for() -> None:
    sampling = settled()
    for _ in range(ECHOES_LOST):
        sampling.second(50 * MS)
    sampling.probe(MS)
    assert not sampling.by_finals
