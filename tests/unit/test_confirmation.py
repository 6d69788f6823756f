"""When a late packet becomes a doubt, when a doubt becomes a death, and when a dead tunnel is believed again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker.bfd.confirmation import (
    FALSE_BURST,
    HEALTHY,
    LEAST_LOSS,
    MOST_BURSTS,
    MOST_PROBES,
    SPACING,
    Doubt,
    Healing,
    Verdict,
    probes,
)
from speaker.bfd.timing import NEVER

MS = 1_000_000
INTERVAL = 50 * MS


def armed(*, both_ways: bool = False, round_trip: int = 1 * MS) -> Doubt:
    """A doubt that knows its tunnel: packets came at 0, 50, ... 500 ms."""
    doubt = Doubt(INTERVAL, both_ways=both_ways)
    for number in range(11):
        doubt.gaps.arrived(number * INTERVAL)
        doubt.round_trip.sample(round_trip)
    return doubt


class Burst:
    """A burst of a doubt, played to its end."""

    def __init__(self, doubt: Doubt, now: int) -> None:
        self.doubt, self.now = doubt, now
        self.asked = 0
        doubt.begin(now)

    def play(
        self, *, witness: int | None = NEVER, slept: bool = False, unlike: bool = False, most: int = 1000
    ) -> Verdict:
        """Until something other than another probe is to be done."""
        for _ in range(most):
            self.now = self.doubt.due
            verdict = self.doubt.judge(self.now, witness_heard=witness, hub_slept=slept, unlike=unlike)
            if verdict is not Verdict.ASK:
                return verdict
            self.doubt.asked(self.now)
            self.asked += 1
        return Verdict.ASK


@pytest.mark.parametrize(
    ("loss", "count"), [(0.0, 5), (0.02, 5), (0.05, 6), (0.09, 7), (0.19, 10), (0.3, 12), (1.0, 12), (1e-9, 5)]
)
def test_the_more_is_lost_the_more_probes_a_burst_has(loss: float, count: int) -> None:
    assert probes(loss) == count


@given(st.floats(0, 1))
def test_a_burst_is_lost_on_a_living_tunnel_as_seldom_as_promised_or_has_all_probes(loss: float) -> None:
    count = probes(loss)
    assert 5 <= count <= MOST_PROBES
    assert count == MOST_PROBES or max(loss, LEAST_LOSS) ** count <= FALSE_BURST * (1 + 1e-9)


def test_a_tunnel_of_which_little_is_known_is_never_late() -> None:
    assert Doubt(INTERVAL, both_ways=False).late_at(0) == NEVER


@pytest.mark.parametrize("known", ["gaps", "round trip"])
def test_both_the_gaps_and_the_round_trip_must_be_known(known: str) -> None:
    doubt = Doubt(INTERVAL, both_ways=False)
    for number in range(11):
        if known == "gaps":
            doubt.gaps.arrived(number * INTERVAL)
        else:
            doubt.round_trip.sample(MS)
    assert doubt.late_at(0) == NEVER


def test_a_packet_is_late_a_margin_after_the_longest_interval() -> None:
    assert armed().late_at(550 * MS) == 552 * MS


def test_an_answer_is_late_when_its_usual_time_is_over() -> None:
    doubt = armed(both_ways=True, round_trip=10 * MS)
    slack = max(4 * doubt.round_trip.variation, 2 * MS)
    assert doubt.late_at(500 * MS) == 500 * MS + doubt.round_trip.smoothed + slack


def test_probes_are_spaced() -> None:
    burst = Burst(armed(), 600 * MS)
    burst.play(most=3)
    assert burst.now == 600 * MS + 2 * SPACING


def test_unanswered_probes_beside_a_witness_that_is_heard_are_a_death() -> None:
    burst = Burst(armed(), 600 * MS)
    assert burst.play(witness=601 * MS) is Verdict.DEAD
    assert burst.asked == 5
    assert burst.now == 600 * MS + 4 * SPACING + 5 * MS
    assert not burst.doubt.asking


def test_a_long_round_trip_is_waited_for() -> None:
    burst = Burst(armed(round_trip=50 * MS), 600 * MS)
    assert burst.play() is Verdict.DEAD
    assert burst.now - 600 * MS > 4 * SPACING + 50 * MS


@pytest.mark.parametrize("witness", [None, 600 * MS, 500 * MS])
def test_without_a_witness_that_was_heard_since_the_detection_time_decides(witness: int | None) -> None:
    burst = Burst(armed(), 600 * MS)
    assert burst.play(witness=witness) is Verdict.WAIT
    assert burst.asked == 5 * MOST_BURSTS
    assert burst.doubt.late_at(550 * MS) == NEVER


def test_after_such_a_silence_the_next_packet_makes_doubt_possible_again() -> None:
    burst = Burst(armed(), 600 * MS)
    burst.play(witness=None)
    burst.doubt.heard(700 * MS, 700 * MS)
    assert burst.doubt.late_at(750 * MS) == 752 * MS


def test_anything_heard_since_the_first_probe_ends_the_doubt() -> None:
    doubt = armed()
    Burst(doubt, 600 * MS).play(most=2)
    assert doubt.heard(603 * MS, 604 * MS)
    assert not doubt.asking
    assert doubt.due == NEVER


def test_what_arrived_before_the_first_probe_does_not() -> None:
    doubt = armed()
    Burst(doubt, 600 * MS).play(most=2)
    assert not doubt.heard(599 * MS, 604 * MS)
    assert doubt.asking


def test_after_a_doubt_there_is_none_for_an_interval() -> None:
    doubt = armed()
    Burst(doubt, 600 * MS).play(most=2)
    doubt.heard(603 * MS, 604 * MS)
    assert doubt.late_at(550 * MS) == 604 * MS + INTERVAL


def test_while_the_hub_sleeps_bursts_begin_anew_and_nothing_dies() -> None:
    burst = Burst(armed(), 600 * MS)
    assert burst.play(slept=True, most=50) is Verdict.ASK


def test_a_hub_that_always_sleeps_leaves_it_to_the_detection_time() -> None:
    assert Burst(armed(), 600 * MS).play(slept=True) is Verdict.WAIT


def test_when_an_unlike_tunnel_is_silent_too_the_tunnel_is_asked_once_more() -> None:
    burst = Burst(armed(), 600 * MS)
    assert burst.play(unlike=True) is Verdict.DEAD
    assert burst.asked == 10


def test_another_interval_has_to_be_learnt() -> None:
    doubt = armed()
    doubt.gaps.expect(100 * MS)
    assert not doubt.armed


def test_lost_packets_are_learnt_and_make_bursts_longer() -> None:
    doubt = Doubt(INTERVAL, both_ways=False)
    now = 0
    for number in range(5000):
        now += INTERVAL * (2 if number % 10 == 0 else 1)
        doubt.gaps.arrived(now)
    assert doubt.gaps.loss == pytest.approx(0.1, abs=0.02)
    doubt.begin(now)
    assert doubt.planned == math.ceil(math.log(FALSE_BURST) / math.log(1 - (1 - doubt.gaps.loss) ** 2))


def test_packets_that_come_late_as_a_rule_are_late_later() -> None:
    doubt = Doubt(INTERVAL, both_ways=False)
    doubt.round_trip.sample(MS)
    for number in range(200):
        doubt.gaps.arrived(number * 55 * MS)
    assert doubt.late_at(0) > 15 * MS


def test_a_dead_tunnel_is_believed_once_it_has_answered_for_a_while() -> None:
    healing = Healing(150 * MS)
    answers = [healing.answered(at) for at in range(0, HEALTHY + 1, INTERVAL)]
    assert answers == [False] * (len(answers) - 1) + [True]


def test_a_silence_begins_the_while_anew() -> None:
    healing = Healing(150 * MS)
    for at in range(0, HEALTHY - INTERVAL, INTERVAL):
        assert not healing.answered(at)
    assert not healing.answered(HEALTHY + 150 * MS)
    assert not healing.answered(2 * HEALTHY)
