"""Drains that overlap: who made them in which order makes no difference, and each only adds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from small_network import a_branch, a_network

from policies.model.clock import Instant, Now
from policies.model.intent import Intent
from policies.model.overrides import Author, Drain, Overrides, Target
from policies.model.view import LivenessState, LivenessView, View
from policies.overrides.isolation import isolated_by
from policies.overrides.schedule import drained_by, next_change

INTENT = a_network(
    a_branch(), a_branch("solo", ("fiber", "lte", "wireless"), number=2), a_branch("tegal", ("fiber",), number=3)
)
UP = View(liveness=dict.fromkeys(INTENT.tunnels(), LivenessView(LivenessState.UP, Instant(1.0))), forwarder=True)
START = datetime(2026, 11, 22, tzinfo=UTC)
TARGETS = ("bandung/fiber", "solo", "solo/lte", "isp:isp-fiber", "isp:telkom", "hub:hq/biznet", "hub:hq", "gone/fiber")
MINUTES = st.integers(0, 30)


@st.composite
def some_drains(draw: st.DrawFn) -> tuple[Drain, ...]:
    """Drains within half an hour, some without an end, some at a rate."""
    made = []
    for number in range(draw(st.integers(0, 6))):
        begins = draw(MINUTES)
        lasts = draw(st.none() | st.integers(1, 20))
        until = None if lasts is None else START + timedelta(minutes=begins + lasts)
        at = START + timedelta(minutes=begins)
        target = Target(draw(st.sampled_from(TARGETS)))
        rate = draw(st.sampled_from([0.0, 0.5, 3.0]))
        made.append(Drain(number, Author(0, "root"), START, at, until, "", target, rate=rate))
    return tuple(made)


def drained(drains: tuple[Drain, ...], minute: int, intent: Intent = INTENT) -> frozenset[object]:
    return frozenset(drained_by(Overrides(drains), intent, START + timedelta(minutes=minute)))


@given(some_drains(), st.randoms(use_true_random=False), MINUTES)
def test_the_order_of_making_makes_no_difference(drains: tuple[Drain, ...], random: object, minute: int) -> None:
    shuffled = list(drains)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    at = START + timedelta(minutes=minute)
    assert drained_by(Overrides(drains), INTENT, at) == drained_by(Overrides(tuple(shuffled)), INTENT, at)


@given(some_drains(), MINUTES)
def test_together_they_drain_what_each_of_them_drains(drains: tuple[Drain, ...], minute: int) -> None:
    each = frozenset().union(*(drained((drain,), minute) for drain in drains)) if drains else frozenset()
    assert drained(drains, minute) == each


@given(some_drains(), MINUTES)
def test_the_end_of_one_leaves_what_others_drain(drains: tuple[Drain, ...], minute: int) -> None:
    for number, ended in enumerate(drains):
        rest = drains[:number] + drains[number + 1 :]
        assert drained(rest, minute) >= drained(drains, minute) - drained((ended,), minute)


@given(some_drains(), MINUTES)
def test_nothing_changes_between_two_changes(drains: tuple[Drain, ...], minute: int) -> None:
    at = START + timedelta(minutes=minute)
    change = next_change(Overrides(drains), INTENT, at)
    shortly_before = START + timedelta(days=1) if change is None else change - timedelta(microseconds=1)
    assert drained_by(Overrides(drains), INTENT, at) == drained_by(Overrides(drains), INTENT, shortly_before)


@given(some_drains(), st.sampled_from(TARGETS), MINUTES, st.none() | st.integers(1, 20))
def test_what_the_guard_lets_pass_never_drains_all_of_a_branch(
    drains: tuple[Drain, ...], target: str, begins: int, lasts: int | None
) -> None:
    at = START + timedelta(minutes=begins)
    until = at + timedelta(minutes=lasts) if lasts is not None else None
    tunnels = Target(target).tunnels(INTENT)
    now = Now(Instant(1000.0), START)
    isolated = isolated_by(tunnels, INTENT, UP, Overrides(drains), now, begins=at, until=until)
    new = Drain(9, Author(0, "root"), START, at, until, "", Target(target))
    for minute in range(60):
        if new.holds(START + timedelta(minutes=minute)):
            everything = drained((*drains, new), minute)
            for name in {tunnel.branch for tunnel in tunnels} - isolated.keys():
                assert not everything >= {tunnel.id for tunnel in INTENT.branches[name].tunnels}
