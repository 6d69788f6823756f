"""A tunnel that comes and goes is held back, and only so long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from simulated_probes import DAMPING

from policies.health.damping import NO_PENALTY, Penalty, counted, value_at
from policies.model.clock import NEVER, Instant


def after(*times: float) -> Penalty:
    penalty = NO_PENALTY
    for at in times:
        penalty = counted(penalty, DAMPING, Instant(at))
    return penalty


def test_each_time_counts_one_and_the_sum_halves() -> None:
    penalty = after(1000, 1300)
    assert penalty.value == pytest.approx(1.5)
    assert value_at(penalty, DAMPING, Instant(1600)) == pytest.approx(0.75)


def test_two_times_hold_nothing_back() -> None:
    assert after(1000, 1010).suppressed_until == NEVER


def test_the_third_time_holds_it_back_until_the_sum_is_below_reuse() -> None:
    penalty = after(1000, 1010, 1020)
    assert penalty.suppressed(Instant(1021))
    assert value_at(penalty, DAMPING, penalty.suppressed_until) == pytest.approx(DAMPING.reuse)
    assert not penalty.suppressed(penalty.suppressed_until)


def test_three_times_in_an_hour_hold_nothing_back() -> None:
    assert after(1000, 2200, 3400).suppressed_until == NEVER


def test_a_time_more_while_it_is_held_back_lengthens_that() -> None:
    held = after(1000, 1010, 1020)
    again = counted(held, DAMPING, Instant(held.suppressed_until - 1))
    assert again.suppressed_until > held.suppressed_until


def test_it_is_never_held_back_for_longer_than_the_cap_after_the_last_time() -> None:
    penalty = after(*(1000 + 2 * each for each in range(1000)))
    last = 1000 + 2 * 999
    assert penalty.suppressed_until <= last + DAMPING.max_suppress.total_seconds()
    assert penalty.value <= DAMPING.reuse * 2**6


def test_a_short_cap_is_kept_too() -> None:
    rule = replace(DAMPING, max_suppress=timedelta(minutes=1))
    penalty = NO_PENALTY
    for at in (1000, 1010, 1020, 1030):
        penalty = counted(penalty, rule, Instant(at))
    assert penalty.suppressed_until == Instant(1090)


def test_without_a_rule_nothing_is_counted() -> None:
    assert counted(NO_PENALTY, None, Instant(1000)) == NO_PENALTY
