"""Long constant courses are judged in a few steps, and come to what probe by probe they come to."""

from __future__ import annotations

from random import Random

import pytest
from simulated_probes import DAMPING, LIMITS

import policies.health.course
from policies.health.course import Course, advance
from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, died
from policies.health.usual import NO_USUAL, learnt
from policies.model.clock import Instant
from policies.model.health import HealthState

DAY = 86_400.0
FINE = Course(rtt=0.020)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Instant]:
    """The instants at which it was judged."""
    instants: list[Instant] = []

    def counting(*told: object) -> object:
        instants.append(told[-1])  # type: ignore[arg-type]
        return judge(*told)  # type: ignore[arg-type]

    monkeypatch.setattr(policies.health.course, "judge", counting)
    return instants


def through(memory: HealthMemory, course: Course, now: float, until: float) -> tuple[HealthMemory, list[float]]:
    """Go on until then, and when its state changed."""
    changes: list[float] = []
    while now < until:
        state = memory.view.state
        memory, now = advance(memory, course, LIMITS, DAMPING, (), now=Instant(now), until=Instant(until))
        changes += [now] if memory.view.state is not state else []
    return memory, changes


def well_known(at: float) -> HealthMemory:
    memory, _ = through(HealthMemory(usual=learnt(NO_USUAL, 0.020, DAY)), FINE, at - 100, at)
    return memory


@pytest.mark.parametrize("course", [FINE, Course(loss=0.002), Course(loss=0.02), Course(rtt=0.02, jitter=0.01)])
def test_a_month_of_the_same_takes_few_steps(course: Course, judged: list[Instant]) -> None:
    memory, changes = through(NOTHING_REMEMBERED, course, 1000, 1000 + 30 * DAY)
    assert len(changes) == 1
    assert memory.view.state is HealthState.UP
    assert len(judged) < 30 * 24 * 8
    assert memory.view.figures.loss == pytest.approx(course.loss, abs=1e-4)
    assert memory.view.usual_rtt == pytest.approx(0.02, rel=0.03)


def test_a_month_degraded_takes_few_steps_too(judged: list[Instant]) -> None:
    memory, changes = through(well_known(1000), Course(loss=0.05), 1000, 1000 + 30 * DAY)
    assert len(changes) == 1
    assert memory.view.state is HealthState.DEGRADED
    assert len(judged) < 30 * 24 * 2


def test_a_hundred_changes_take_some_steps_each(judged: list[Instant]) -> None:
    random, memory, now = Random(3), well_known(1000), 1000.0
    for _ in range(100):
        course = Course(random.choice((0, 0, 0.001, 0.01, 0.06, 0.3)), random.choice((0.02, 0.03, 0.2)))
        until = now + random.choice((3, 30, 300, 3000, 30_000))
        memory, _ = through(memory, course, now, until)
        now = until
    assert len(judged) < 100 * 20


@pytest.mark.parametrize(
    ("course", "within"),
    [(Course(loss=0.05), 5.0), (Course(loss=0.06), 5.0), (Course(loss=0.30), 1.0), (Course(rtt=0.170), 10.0)],
)
def test_it_is_left_and_returned_to_in_the_times_of_the_policy(course: Course, within: float) -> None:
    memory, changes = through(well_known(1000), course, 1000, 1060)
    assert [memory.view.state, len(changes)] == [HealthState.DEGRADED, 1]
    assert changes[0] - 1000 <= within
    memory, back = through(memory, FINE, 1060, 1200)
    assert [memory.view.state, len(back)] == [HealthState.UP, 1]
    assert back[0] - changes[0] >= 60
    assert back[0] <= 1060 + 66


def test_it_goes_the_same_way_every_time() -> None:
    assert through(well_known(1000), Course(loss=0.06), 1000, 1100) == through(
        well_known(1000), Course(loss=0.06), 1000, 1100
    )


def test_where_it_is_cut_into_pieces_makes_no_difference() -> None:
    memory, course = well_known(1000), Course(loss=0.06)
    whole, changes = through(memory, course, 1000, 1060)
    times: list[float] = []
    for piece in range(60):
        memory, more = through(memory, course, 1000 + piece, 1001 + piece)
        times += more
    assert memory.view.state is whole.view.state
    assert times == pytest.approx(changes, abs=1.0)


def test_a_dead_one_learns_nothing(judged: list[Instant]) -> None:
    memory, changes = through(died(well_known(1000), DAMPING, Instant(1000)), FINE, 1000, 1000 + DAY)
    assert (changes, memory.view.state) == ([], HealthState.UNKNOWN)
    assert len(judged) < 50
