"""When a tunnel becomes degraded, when it is healthy again, and what is neither."""

from __future__ import annotations

from dataclasses import replace

import pytest
from listening_judge import BAD, FINE, SLOW, UNSTEADY, ListeningJudge, that_knows_its_usual
from simulated_probes import LIMITS, limit

from policies.health.course import Course
from policies.health.judge import FEW_PROBES, MUTE, WITHIN
from policies.health.memory import with_usual
from policies.health.usual import NO_USUAL
from policies.health.window import PATIENCE
from policies.model.clock import NEVER, Instant
from policies.model.health import NO_FIGURES, HealthLimits, HealthState, Metric, Samples

# quick down


@pytest.mark.parametrize(
    ("course", "seconds", "because"),
    [
        (Course(loss=0.06), 5, "loss"),
        (Course(loss=0.30), 1.5, "loss"),
        (SLOW, 4, "rtt 170 ms over 5 s (limit usual 20 ms + 80 ms)"),
        (UNSTEADY, 8, "jitter 40 ms over 10 s (limit 30 ms)"),
    ],
)
def test_what_passes_a_limit_and_is_confirmed_is_degraded(course: Course, seconds: float, because: str) -> None:
    listening = that_knows_its_usual()
    listening.goes(course, seconds, burst=course)
    assert listening.state is HealthState.DEGRADED
    assert listening.view.reason.startswith(because)
    assert "confirmation probes" in listening.view.reason


@pytest.mark.parametrize(
    "course",
    [Course(loss=0.002), Course(loss=0.02), Course(rtt=0.095), Course(rtt=0.020, jitter=0.025)],
)
def test_what_keeps_the_limits_is_not(course: Course) -> None:
    listening = that_knows_its_usual()
    listening.goes(course, 120, burst=course)
    assert (listening.state, listening.view.reason) == (HealthState.UP, WITHIN)


# slow up


def degraded(course: Course = BAD) -> ListeningJudge:
    listening = that_knows_its_usual()
    listening.goes(course, 8, burst=course)
    assert listening.state is HealthState.DEGRADED
    return listening


@pytest.mark.parametrize("course", [BAD, SLOW, UNSTEADY])
def test_it_is_healthy_again_after_the_longest_window_of_return(course: Course) -> None:
    listening = degraded(course)
    listening.goes(FINE, 50)
    assert listening.state is HealthState.DEGRADED
    listening.goes(FINE, 25)
    assert (listening.state, listening.view.reason) == (HealthState.UP, WITHIN)


@pytest.mark.parametrize("between", [Course(loss=0.02), Course(rtt=0.070), Course(rtt=0.020, jitter=0.020)])
def test_between_the_limits_a_degraded_tunnel_stays_so_and_a_fine_one_too(between: Course) -> None:
    listening = degraded()
    listening.goes(between, 300, burst=between)
    assert listening.state is HealthState.DEGRADED
    fine = that_knows_its_usual()
    fine.goes(between, 300, burst=between)
    assert fine.state is HealthState.UP


def test_figures_of_before_it_was_degraded_do_not_make_it_healthy() -> None:
    listening = that_knows_its_usual()
    listening.goes(SLOW, 5, burst=SLOW)
    since = listening.view.since
    while listening.state is HealthState.DEGRADED:
        listening.goes(FINE, 1)
    assert listening.view.since - since >= 60


def test_silence_does_not_make_it_healthy() -> None:
    listening = degraded()
    listening.goes(None, 3600)
    assert listening.state is HealthState.DEGRADED
    listening.goes(FINE, 30)
    assert listening.state is HealthState.DEGRADED


def test_a_window_with_a_hole_does_not_make_it_healthy() -> None:
    listening = degraded()
    listening.goes(FINE, 20)
    listening.goes(None, 35)
    listening.goes(FINE, 10)
    assert listening.state is HealthState.DEGRADED
    listening.goes(FINE, 60)
    assert listening.state is HealthState.UP


# unknown


def test_before_the_first_probes_it_is_unknown() -> None:
    listening = ListeningJudge()
    listening.judges()
    assert (listening.state, listening.view.reason) == (HealthState.UNKNOWN, MUTE)
    assert listening.view.figures == NO_FIGURES


def test_a_branch_that_never_answers_stays_unknown() -> None:
    listening, mute = ListeningJudge(), Course(loss=1.0)
    listening.goes(mute, 600, burst=mute)
    assert (listening.state, listening.view.reason) == (HealthState.UNKNOWN, MUTE)
    assert not listening.wishes


def test_a_few_probes_make_it_up() -> None:
    listening = ListeningJudge()
    listening.goes(FINE, 0.25)
    assert (listening.state, listening.view.reason) == (HealthState.UNKNOWN, FEW_PROBES)
    listening.goes(FINE, 0.5)
    assert listening.state is HealthState.UP


def test_a_fine_tunnel_that_falls_silent_becomes_unknown_when_it_said_so() -> None:
    listening = that_knows_its_usual()
    at = listening.view.next_at
    assert at == pytest.approx(listening.now + PATIENCE, abs=1)
    listening.now = at - 0.01
    listening.judges()
    assert listening.state is HealthState.UP
    listening.now = at
    listening.judges()
    assert (listening.state, listening.view.figures) == (HealthState.UNKNOWN, NO_FIGURES)


def test_a_standby_with_few_probes_is_judged_too() -> None:
    listening, slow = that_knows_its_usual(), Course(loss=0.30, interval=1.0)
    listening.goes(Course(interval=1.0), 60)
    listening.goes(slow, 10, burst=slow)
    assert listening.state is HealthState.DEGRADED


def test_a_metered_one_with_a_probe_in_ten_seconds_is_judged_as_well() -> None:
    listening = ListeningJudge()
    listening.goes(Course(interval=10.0), 120)
    assert listening.state is HealthState.UP
    slow = Course(rtt=0.9, interval=10.0)
    listening.limits = HealthLimits((limit(Metric.RTT, 0.5, 30),))
    listening.goes(slow, 60, burst=slow)
    assert listening.state is HealthState.DEGRADED


# relative limits


def test_relative_limits_do_not_count_before_it_is_known_what_is_usual() -> None:
    listening = ListeningJudge()
    listening.goes(FINE, 60)
    listening.goes(SLOW, 60, burst=SLOW)
    assert listening.state is HealthState.UP


def test_what_is_usual_is_learnt_while_it_is_up() -> None:
    listening = ListeningJudge()
    listening.goes(FINE, 620)
    assert listening.view.usual_rtt == pytest.approx(0.020, rel=0.03)


def test_what_is_usual_is_frozen_while_it_is_degraded() -> None:
    listening = degraded(SLOW)
    usual = listening.memory.usual
    listening.goes(SLOW, 3600, burst=SLOW)
    assert listening.memory.usual == usual


def test_a_reset_accepts_the_new_path() -> None:
    listening = degraded(SLOW)
    listening.goes(SLOW, 120)
    listening.memory = with_usual(listening.memory, NO_USUAL)
    listening.goes(SLOW, 1)
    assert listening.state is HealthState.UP


# targets and checks


def test_what_fails_behind_the_branch_degrades_it_at_once_and_only_as_long() -> None:
    listening = that_knows_its_usual()
    listening.failing = ("target erp (10.1.0.5:443) does not answer",)
    listening.goes(FINE, 1)
    assert (listening.state, listening.view.reason) == (HealthState.DEGRADED, listening.failing[0])
    assert listening.view.failing == listening.failing
    listening.failing = ()
    listening.goes(FINE, 1)
    assert listening.state is HealthState.UP


def test_both_reasons_are_given() -> None:
    listening = degraded()
    since = listening.view.since
    listening.failing = ("check backup: disk full",)
    listening.goes(BAD, 1)
    assert listening.view.reason.startswith("loss ")
    assert listening.view.reason.endswith("; check backup: disk full")
    assert listening.view.since == since


def test_what_fails_on_a_tunnel_that_is_not_measured_degrades_it() -> None:
    listening = ListeningJudge(failing=("check backup: disk full",))
    listening.judges()
    assert listening.state is HealthState.DEGRADED


# damping, and when to look again


def test_each_time_that_it_becomes_degraded_counts() -> None:
    listening = degraded()
    assert listening.view.penalty == 1
    listening.failing = ("a check",)
    listening.goes(BAD, 1)
    assert listening.view.penalty == 1


def test_a_flapping_one_is_held_back_and_looked_at_when_that_ends() -> None:
    listening = that_knows_its_usual()
    for _ in range(3):
        listening.failing = ("a check",)
        listening.goes(FINE, 1)
        listening.failing = ()
        listening.goes(FINE, 1)
    assert listening.state is HealthState.UP
    assert listening.view.suppressed_until > listening.now
    assert listening.view.next_at is not None
    assert listening.view.next_at <= listening.view.suppressed_until


def test_without_damping_nothing_is_counted() -> None:
    listening = that_knows_its_usual()
    listening.damping = None
    listening.goes(BAD, 8, burst=BAD)
    assert (listening.view.penalty, listening.view.suppressed_until) == (0.0, NEVER)


# values


def test_judged_twice_at_one_moment_it_says_the_same() -> None:
    listening = that_knows_its_usual()
    listening.loses(0.1)
    wish = listening.judges()
    memory = listening.memory
    assert listening.judges() == wish
    assert listening.memory is memory
    listening.memory = replace(memory, judged=None)
    assert listening.judges() == wish
    assert listening.memory == memory


def test_other_limits_are_taken_up_at_once() -> None:
    listening, course = that_knows_its_usual(), Course(loss=0.06)
    listening.limits = HealthLimits((limit(Metric.LOSS, 0.20, 10),))
    listening.goes(course, 20, burst=course)
    assert listening.state is HealthState.UP
    listening.limits = LIMITS
    listening.goes(course, 0.5, burst=course)
    assert listening.state is HealthState.DEGRADED


def test_without_limits_nothing_degrades_it() -> None:
    listening = that_knows_its_usual()
    listening.limits = HealthLimits()
    listening.goes(Course(loss=0.9), 60, burst=BAD)
    assert listening.state is HealthState.UP


def test_an_answer_that_came_after_all_takes_the_loss_back() -> None:
    listening = that_knows_its_usual()
    listening.loses(0.3, 0.2, 0.1)
    listening.goes(FINE, 0.25)
    for ago in (0.55, 0.45, 0.35):
        at = Instant(listening.now - ago)
        listening.hears(Samples(at, at, 0, -1, (0.3,)))
    listening.goes(FINE, 3, burst=None)
    assert listening.view.figures.loss == 0.0
    assert listening.memory.suspicion is None
