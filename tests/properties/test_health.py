"""Health, whatever comes: a loss alone changes nothing, order does not matter, memory and damping are bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_probes import DAMPING, LIMITS

from policies.health.course import Course, advance
from policies.health.damping import NO_PENALTY, counted
from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, died, remember, revived
from policies.health.suspicion import ALLOWANCE, ALLOWANCE_A_SECOND, Wish
from policies.health.usual import MOST_BINS, NO_USUAL, learnt, usual_from_json
from policies.health.window import MOST
from policies.model.clock import NEVER, Instant
from policies.model.health import HealthState, Samples

START = 1000.0
some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def some_samples(draw: st.DrawFn, *, longest: float = 1.0) -> Samples:
    """What probes may tell of a time in the first two minutes."""
    begins = START + draw(st.integers(0, 480)) / 4
    sent = draw(st.integers(0, 20))
    lost = draw(st.integers(0, sent)) if sent else -draw(st.integers(1, 3))
    answered = sent - lost
    round_trips = tuple(draw(st.lists(st.floats(0.001, 2.0), min_size=answered, max_size=answered)))
    ends = begins + draw(st.floats(0, longest))
    return Samples(Instant(begins), Instant(ends), sent, lost, round_trips, burst=draw(st.booleans()))


def told(memory: HealthMemory, samples: list[Samples]) -> HealthMemory:
    for each in samples:
        memory = remember(memory, each)
    return memory


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, list[Samples], str]]:
    """A row of moments, each with samples, and perhaps a death or a revival."""
    moments = sorted(START + each / 4 for each in draw(st.lists(st.integers(0, 600), min_size=1, max_size=25)))
    what = st.sampled_from(["", "", "", "died", "revived"])
    return [(at, draw(st.lists(some_samples(), max_size=4)), draw(what)) for at in moments]


def lived(story: list[tuple[float, list[Samples], str]], *, backwards: bool = False) -> list[HealthMemory]:
    memory, found = NOTHING_REMEMBERED, []
    for at, samples, what in story:
        memory = told(memory, samples[::-1] if backwards else samples)
        if what == "died":
            memory = died(memory, DAMPING, Instant(at))
        elif what == "revived":
            memory = revived(memory, Instant(at))
        memory, _ = judge(memory, LIMITS, DAMPING, (), Instant(at))
        found.append(memory)
    return found


@some
@given(stories())
def test_the_order_within_a_moment_makes_no_difference(story: list[tuple[float, list[Samples], str]]) -> None:
    assert lived(story) == lived(story, backwards=True)


@some
@given(stories())
def test_to_judge_more_often_than_needed_changes_nothing(story: list[tuple[float, list[Samples], str]]) -> None:
    for memory in lived(story):
        assert memory.judged is not None
        again, wish = judge(memory, LIMITS, DAMPING, (), memory.judged.at)
        afresh, same = judge(replace(memory, judged=None), LIMITS, DAMPING, (), memory.judged.at)
        assert again.view == afresh.view == memory.view
        assert wish == same == memory.judged.wish


@some
@given(stories())
def test_without_samples_nothing_gets_better(story: list[tuple[float, list[Samples], str]]) -> None:
    """Judged at each moment that it names itself, for as long as it names any."""
    memory = lived(story)[-1]
    memory = replace(memory, is_dead=False)
    for _ in range(50):
        state, at = memory.view.state, memory.view.next_at
        if at is None:
            break
        memory, _ = judge(memory, LIMITS, DAMPING, (), at)
        assert memory.view.state is state or (state, memory.view.state) == (HealthState.UP, HealthState.UNKNOWN)
        assert memory.view.next_at is None or memory.view.next_at > at
    else:
        assert memory.suspicion is not None, "only a burst that never comes back is asked for for ever"


@some
@given(st.lists(some_samples(longest=60.0), max_size=60), st.integers(1, 60))
def test_what_is_remembered_is_bounded(samples: list[Samples], times: int) -> None:
    memory = NOTHING_REMEMBERED
    for turn in range(times):
        moved = [
            replace(each, begins=Instant(each.begins + 7 * turn), ends=Instant(each.ends + 7 * turn))
            for each in samples
        ]
        memory = told(memory, moved)
        assert len(memory.window.entries) < MOST + 64
    assert sum(len(entry.round_trips) for entry in memory.window.entries) <= 64 * (MOST + 64)


@some
@given(st.integers(0, 239), st.integers(1, 10), st.booleans())
def test_a_single_loss_never_changes_anything(place: int, tenths: int, bursts: bool) -> None:
    """Wherever it falls, however often probes are sent, and whether or not bursts come back."""
    course, memory, asked = Course(interval=tenths / 10), HealthMemory(usual=learnt(NO_USUAL, 0.02, 86_400)), 0
    for step in range(240):
        now = START + step * 0.5
        seen = course.samples(now, now + 0.5)
        if step == place:
            seen = replace(seen, sent=seen.sent + 1, lost=1)
        memory = remember(memory, seen)
        memory, wish = judge(memory, LIMITS, DAMPING, (), Instant(now + 0.5))
        if wish is not None and bursts:
            memory = remember(memory, course.burst(wish, 0, wish.burst))
        asked += wish is not None
        assert memory.view.state is not HealthState.DEGRADED
    assert memory.view.penalty == 0


courses = st.builds(
    Course,
    loss=st.sampled_from([0.0, 0.002, 0.02, 0.05, 0.3, 1.0]),
    rtt=st.sampled_from([0.02, 0.07, 0.2]),
    jitter=st.sampled_from([0.0, 0.02, 0.05]),
    interval=st.sampled_from([0.1, 1.0, 10.0]),
)


@some
@given(st.lists(st.tuples(courses, st.floats(0.5, 300.0)), max_size=15))
def test_it_comes_back_no_sooner_than_after_the_window_of_return(row: list[tuple[Course, float]]) -> None:
    memory, now, changes = HealthMemory(usual=learnt(NO_USUAL, 0.02, 86_400)), START, []
    for course, lasts in row:
        until = now + lasts
        while now < until:
            before = memory.view.state
            memory, now = advance(memory, course, LIMITS, DAMPING, (), now=Instant(now), until=Instant(until))
            if memory.view.state is not before:
                changes.append((now, memory.view.state))
    for (bad, state), (good, _) in pairwise(changes):
        if state is HealthState.DEGRADED:
            assert good - bad >= 60


@some
@given(st.lists(st.floats(0, 7200), max_size=200))
def test_damping_is_bounded_and_ends(times: list[float]) -> None:
    penalty, longest = NO_PENALTY, DAMPING.max_suppress.total_seconds()
    for at in sorted(times):
        penalty = counted(penalty, DAMPING, Instant(START + at))
        assert 0 < penalty.value <= 64
        assert penalty.suppressed_until == NEVER or penalty.suppressed_until <= START + at + longest


@some
@given(stories())
def test_bursts_are_paid_from_an_allowance(story: list[tuple[float, list[Samples], str]]) -> None:
    wishes: set[Wish] = set()
    for memory in lived(story):
        if memory.judged is not None and memory.judged.wish is not None:
            wishes.add(memory.judged.wish)
        assert 0 <= memory.allowance.left <= ALLOWANCE
    asked = sum(wish.burst for wish in wishes if wish.why == "a probe was lost")
    assert asked <= ALLOWANCE + ALLOWANCE_A_SECOND * 150


@some
@given(st.lists(st.tuples(st.floats(1e-7, 100.0), st.floats(0.1, 1e6)), max_size=80))
def test_what_is_usual_can_be_stored_and_lies_among_what_was_seen(seen: list[tuple[float, float]]) -> None:
    usual = NO_USUAL
    for rtt, seconds in seen:
        usual = learnt(usual, rtt, seconds)
    assert len(usual.weights) <= MOST_BINS
    again = usual_from_json(json.loads(json.dumps(usual.to_json())))
    assert (again.rtt is None) == (usual.rtt is None) or abs(usual.seconds - 600) < 1
    if usual.rtt is not None:
        assert min(rtt for rtt, _ in seen) / 1.04 <= usual.rtt <= max(1e-6, *(rtt for rtt, _ in seen)) * 1.04
