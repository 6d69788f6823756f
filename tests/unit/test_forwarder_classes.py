"""Which tunnel carries a class: the forwarder's own moves, and the orders that it obeys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder.classes import (
    ForwardingClass,
    Order,
    Refusal,
    TunnelState,
    adopt,
    choose,
    fail_over,
    obey,
    state_of,
)

A, B, C = "bandung/fiber", "bandung/wireless", "bandung/lte"
ON_A = ForwardingClass("bandung", "bandung", ("10.1.0.0/24",), (A, B, C), A, 4, 10, "first choice")
ORDER = Order("bandung", "bandung", ("10.1.0.0/24",), (A, B, C), B, "drained", 4)
UP, DOWN, UNKNOWN = "up", "down", "unknown"


@pytest.mark.parametrize(
    ("states", "target"),
    [
        ({A: UP, B: UP, C: UP}, None),
        ({A: UNKNOWN, B: UP, C: UP}, None),
        ({A: DOWN, B: UP, C: UP}, B),
        ({A: DOWN, B: DOWN, C: UP}, C),
        ({A: DOWN, B: UNKNOWN, C: UP}, C),
        ({A: DOWN, B: UNKNOWN, C: UNKNOWN}, B),
        ({A: DOWN, B: DOWN, C: UNKNOWN}, C),
        ({A: DOWN, B: DOWN, C: DOWN}, None),
        ({A: DOWN}, B),
        ({}, None),
    ],
)
def test_a_class_leaves_only_a_dead_tunnel_for_the_first_live_one(
    states: dict[str, TunnelState], target: str | None
) -> None:
    moved = fail_over([ON_A], states, 99, {A: "silent for 151 ms"})
    assert [each.active for each in moved] == ([target] if target else [])


def test_a_move_says_why_and_raises_the_epoch() -> None:
    (moved,) = fail_over([ON_A], {A: DOWN, B: UP}, 99, {A: "silent for 151 ms"})
    assert (moved.epoch, moved.since_ns) == (5, 99)
    assert moved.reason == "bandung/fiber is down: silent for 151 ms"


def test_a_class_leaves_the_state_of_all_dead_for_whichever_tunnel_returns_first() -> None:
    all_dead: dict[str, TunnelState] = {A: DOWN, B: DOWN, C: DOWN}
    assert fail_over([ON_A], all_dead, 1, {}) == ()
    (moved,) = fail_over([ON_A], all_dead | {C: UP}, 2, {})
    assert moved.active == C


def test_a_class_leaves_a_tunnel_that_is_not_watched_any_more_when_another_lives() -> None:
    states: dict[str, TunnelState] = {A: UNKNOWN, B: DOWN}
    assert fail_over([ON_A], states, 1, {}, {B, C}) == ()
    (moved,) = fail_over([ON_A], states | {B: UP}, 2, {}, {B, C})
    assert (moved.active, moved.epoch, moved.reason) == (B, ON_A.epoch + 1, f"{A} is not watched any more")


def test_a_class_never_goes_back_by_itself() -> None:
    assert fail_over([replace(ON_A, active=B)], {A: UP, B: UP, C: UP}, 1, {}) == ()


def test_a_class_that_has_no_tunnel_takes_the_first_usable_one() -> None:
    (moved,) = fail_over([replace(ON_A, active=None)], {A: DOWN, B: UP}, 1, {})
    assert (moved.active, moved.reason) == (B, "bandung/wireless is usable")


@pytest.mark.parametrize(
    ("order", "states", "why"),
    [
        (replace(ORDER, based_on_epoch=3), {}, "based on epoch 3"),
        (ORDER, {A: UP, B: DOWN}, "bandung/wireless is down"),
        (ORDER, {A: UNKNOWN, B: DOWN, C: DOWN}, "bandung/wireless is down, bandung/fiber is not"),
    ],
)
def test_an_old_order_and_one_into_a_dead_tunnel_are_refused(
    order: Order, states: dict[str, TunnelState], why: str
) -> None:
    refusal = obey(order, ON_A, states, 99)
    assert isinstance(refusal, Refusal)
    assert why in refusal.why
    assert refusal.epoch == 4


@pytest.mark.parametrize(
    ("order", "states", "active"),
    [
        (ORDER, {A: UP, B: UP}, B),
        (ORDER, {A: UP, B: UNKNOWN}, B),
        (ORDER, {A: DOWN, B: DOWN, C: DOWN}, A),
        (replace(ORDER, order=(B, C)), {A: UP, B: DOWN, C: DOWN}, B),
        (replace(ORDER, active=None), {A: UP, B: UP}, A),
        (replace(ORDER, active=None), {A: DOWN, B: UP}, B),
        (replace(ORDER, active=None), {A: DOWN, B: DOWN, C: DOWN}, A),
        (replace(ORDER, active=None, order=(B, C)), {A: UP, C: UP}, C),
    ],
)
def test_an_order_moves_the_class(order: Order, states: dict[str, TunnelState], active: str) -> None:
    obeyed = obey(order, ON_A, states, 99)
    assert isinstance(obeyed, ForwardingClass)
    assert (obeyed.active, obeyed.epoch, obeyed.order) == (active, 4, order.order)
    assert obeyed.since_ns == (10 if active == A else 99)


def test_a_new_class_begins_at_the_epoch_that_the_controller_knows() -> None:
    obeyed = obey(ORDER, None, {}, 99)
    assert isinstance(obeyed, ForwardingClass)
    assert obeyed.epoch == 4


def test_an_order_that_is_obeyed_twice_changes_nothing_the_second_time() -> None:
    once = obey(ORDER, ON_A, {A: UP, B: UP}, 99)
    assert isinstance(once, ForwardingClass)
    assert obey(ORDER, once, {A: UP, B: UP}, 100) == once


def test_a_move_found_in_the_kernel_makes_older_orders_stale() -> None:
    assert adopt(ON_A, A, 99) == ON_A
    found = adopt(ON_A, B, 99)
    assert (found.active, found.epoch) == (B, 5)
    assert isinstance(obey(ORDER, found, {}, 100), Refusal)


TUNNELS = (A, B, C)
STATES = st.dictionaries(st.sampled_from(TUNNELS), st.sampled_from(("up", "down", "unknown")))
ORDERS = st.builds(
    lambda order, active, epoch: replace(
        ORDER, order=tuple(order), active=active if active in order else None, based_on_epoch=epoch
    ),
    st.lists(st.sampled_from(TUNNELS), unique=True),
    st.sampled_from((*TUNNELS, None)),
    st.integers(0, 6),
)


@given(st.lists(st.one_of(STATES, ORDERS), max_size=30))
def test_whatever_happens_no_class_stays_dead_while_another_tunnel_lives_and_epochs_only_grow(
    history: list[dict[str, TunnelState] | Order],
) -> None:
    current: ForwardingClass | None = None
    states: dict[str, TunnelState] = {}
    for now, step in enumerate(history):
        epoch = current.epoch if current else 0
        if isinstance(step, Order):
            result = obey(step, current, states, now)
            if isinstance(result, Refusal):
                assert step.based_on_epoch < epoch or state_of(step.active, states) == "down"
            else:
                current = result
        else:
            states = step
        if current:
            moved = fail_over([current], states, now, {})
            current = moved[0] if moved else current
            assert fail_over([current], states, now, {}) == ()
            assert current.epoch >= epoch
            assert current.active is None or current.active in current.order
            if choose(current.order, states):
                assert state_of(current.active, states) != "down"
