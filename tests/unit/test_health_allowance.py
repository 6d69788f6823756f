"""What bursts may cost: a verdict gives back what it took to find, and what is over is not paid for again."""

from __future__ import annotations

from dataclasses import replace

from listening_judge import FINE, that_knows_its_usual

from policies.health.course import Course
from policies.health.suspicion import ALLOWANCE, Allowance
from policies.model.clock import Instant
from policies.model.health import HealthState

BAD = Course(loss=0.30)


def test_a_verdict_gives_back_what_it_took_to_find() -> None:
    listening = that_knows_its_usual()
    listening.memory = replace(listening.memory, allowance=Allowance(0, Instant(listening.now)))
    listening.goes(BAD, 3, burst=BAD)
    assert listening.state is HealthState.DEGRADED
    assert listening.memory.allowance.at_instant(Instant(listening.now)).left == ALLOWANCE


def test_a_target_that_answers_again_takes_back_nothing_of_what_was_lost() -> None:
    listening = that_knows_its_usual()
    listening.failing = ("target nas (icmp 10.1.0.9) does not answer",)
    listening.loses(0.2, 0.1)
    listening.judges()
    listening.failing = ()
    listening.judges()
    listening.memory = replace(listening.memory, allowance=Allowance(0, Instant(listening.now)))
    listening.loses(0.05)
    assert listening.judges() is not None


def test_what_it_was_degraded_for_asks_for_no_burst_once_it_is_healthy_again() -> None:
    listening = that_knows_its_usual()
    listening.limits = replace(listening.limits, healthy_when_all=listening.limits.degraded_when_any)
    listening.goes(BAD, 3, burst=BAD)
    asked = len(listening.wishes)
    listening.goes(FINE, 60, burst=FINE)
    assert listening.state is HealthState.UP
    assert len(listening.wishes) == asked
