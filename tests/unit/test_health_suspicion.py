"""What bursts are asked for when a tunnel may be degraded, and what they have to say before it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from listening_judge import BAD, FINE, SLOW, UNSTEADY, that_knows_its_usual

from policies.health.course import Course
from policies.health.suspicion import FEW, FIRST, NEXT, Allowance
from policies.model.clock import Instant
from policies.model.health import HealthState, Samples


def test_a_single_lost_packet_changes_nothing_but_what_is_asked() -> None:
    listening = that_knows_its_usual()
    before = listening.view
    listening.loses(0.2)
    listening.goes(FINE, 1, burst=FINE)
    assert (listening.state, listening.view.since, listening.view.reason) == (before.state, before.since, before.reason)
    assert [wish.burst for wish in listening.wishes] == [FIRST]


@pytest.mark.parametrize(("lost", "state"), [(2, HealthState.UP), (8, HealthState.DEGRADED)])
def test_what_may_be_chance_is_not_degraded_though_the_window_and_the_burst_are_over_the_limit(
    lost: int, state: HealthState
) -> None:
    listening = that_knows_its_usual()
    listening.loses(0.4, 0.2)
    wish = listening.judges()
    assert wish is not None
    listening.now += 0.75
    listening.hears(Samples(wish.asked, Instant(wish.asked + 0.5), 50, lost, (0.02,) * (50 - lost), burst=True))
    listening.judges()
    assert listening.state is state


@pytest.mark.parametrize("course", [BAD, SLOW, UNSTEADY])
def test_a_burst_that_does_not_agree_leaves_it_up(course: Course) -> None:
    listening = that_knows_its_usual()
    listening.goes(course, 8, burst=FINE)
    assert listening.state is HealthState.UP
    assert listening.wishes


@pytest.mark.parametrize("course", [BAD, SLOW, UNSTEADY])
def test_without_a_burst_there_is_no_verdict_and_it_is_asked_for_again(course: Course) -> None:
    listening = that_knows_its_usual()
    listening.goes(course, 30, burst=None)
    assert listening.state is HealthState.UP
    assert 2 <= len(listening.wishes) <= 6


def test_a_burst_of_before_the_suspicion_confirms_nothing() -> None:
    listening = that_knows_its_usual()
    early = Instant(listening.now - 1)
    listening.hears(Samples(early, early, 50, 0, (0.170,) * 50, burst=True))
    listening.goes(SLOW, 6, burst=None)
    assert listening.state is HealthState.UP


def test_losses_in_the_burst_ask_for_a_longer_one() -> None:
    listening = that_knows_its_usual()
    listening.loses(0.1)
    listening.goes(FINE, 0.5, burst=Course(loss=0.04))
    assert [wish.burst for wish in listening.wishes][:2] == [FIRST, NEXT]


@pytest.mark.parametrize(("known", "asks"), [(30, 2), (0, 1)])
def test_a_burst_of_which_not_everything_is_known_is_waited_for_until_it_is_over(known: int, asks: int) -> None:
    listening = that_knows_its_usual()
    listening.loses(0.1)
    wish = listening.judges()
    assert wish is not None
    listening.now += 0.3
    listening.hears(Samples(wish.asked, Instant(listening.now), known, known // 10, burst=True))
    listening.judges()
    assert len(listening.wishes) == 1
    listening.hears(Samples(wish.asked, Instant(listening.now), 0, 0, burst=True, ends_burst=True))
    listening.judges()
    assert len(listening.wishes) == asks


def test_a_slow_round_trip_is_confirmed_by_a_few_probes() -> None:
    listening = that_knows_its_usual()
    listening.goes(SLOW, 4, burst=SLOW)
    assert [wish.burst for wish in listening.wishes] == [FEW]


def test_a_tunnel_that_always_loses_a_little_is_not_probed_all_the_time() -> None:
    listening, course = that_knows_its_usual(), Course(loss=0.01)
    listening.goes(course, 600, burst=course)
    assert 400 < sum(wish.burst for wish in listening.wishes) < 400 + 2 * 600


def test_what_is_likely_bad_is_probed_though_the_allowance_is_spent() -> None:
    listening = that_knows_its_usual()
    listening.memory = replace(listening.memory, allowance=Allowance(0, Instant(listening.now)))
    listening.loses(0.2, 0.1)
    assert listening.judges() is None
    listening.loses(0.05)
    assert listening.judges() is not None


def test_what_is_no_chance_any_more_is_confirmed_soon_though_the_allowance_is_spent() -> None:
    listening, heavy = that_knows_its_usual(), Course(loss=0.30)
    listening.memory = replace(listening.memory, allowance=Allowance(FEW, Instant(listening.now)))
    listening.goes(heavy, 1, burst=FINE)
    assert listening.state is HealthState.UP
    listening.goes(heavy, 2.5, burst=heavy)
    assert listening.state is HealthState.DEGRADED


def test_a_burst_that_does_not_come_back_is_asked_for_again_when_it_said_so() -> None:
    listening = that_knows_its_usual()
    listening.loses(0.1)
    listening.loses(0.1)
    wish = listening.judges()
    assert wish is not None
    assert listening.view.next_at is not None
    listening.now = listening.view.next_at
    again = listening.judges()
    assert again is not None
    assert again.asked == listening.now
