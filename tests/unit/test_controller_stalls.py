"""After a sleep of the controller itself, time stands still until it has read what arrived meanwhile."""

from __future__ import annotations

from hub.controller.stalls import CATCH_UP_SECONDS, TICK_SECONDS, Stalls


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ticking(stalls: Stalls, clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds / TICK_SECONDS)):
        clock.now += TICK_SECONDS
        stalls.look()


def test_while_it_runs_time_is_time() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    ticking(stalls, clock, 3.0)
    assert (stalls.now(), stalls.count) == (clock.now, 0)


def test_after_a_sleep_it_is_as_late_as_before_even_if_nobody_has_looked_at_the_clock_yet() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    ticking(stalls, clock, 1.0)
    before = clock.now
    clock.now += 5.0
    assert stalls.now() == before
    stalls.look()
    assert (stalls.now(), stalls.count) == (before, 1)


def test_once_it_has_caught_up_time_goes_on() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    clock.now += 5.0
    stalls.look()
    ticking(stalls, clock, CATCH_UP_SECONDS + TICK_SECONDS)
    assert stalls.now() == clock.now


def test_a_second_sleep_before_it_has_caught_up_does_not_let_time_go_back() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    before = clock.now
    clock.now += 5.0
    stalls.look()
    clock.now += 5.0
    stalls.look()
    assert stalls.now() == before
