"""The changes between what the kernel holds and what it should hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from forwarder_fakes import an_order
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder.classes import ForwardingClass, obey
from hub.forwarder.fib_plan import (
    FIRST_NEXTHOP_ID,
    KernelState,
    Operation,
    Wanted,
    destination,
    done,
    free_id,
    plan,
    prefix_text,
)
from hub.forwarder.steps import at_once

ID = FIRST_NEXTHOP_ID
NET = (b"\x0a\x01\x00\x00", 24)
NONE: frozenset[tuple[bytes, int, int]] = frozenset()


def a_class() -> ForwardingClass:
    result = obey(an_order(), None, {}, 0)
    assert isinstance(result, ForwardingClass)
    return result


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("10.1.0.0/24", NET),
        ("0.0.0.0/0", (b"\0\0\0\0", 0)),
        ("2001:db8::/32", (b"\x20\x01\x0d\xb8" + b"\0" * 12, 32)),
        ("10.1.2.3/32", (b"\x0a\x01\x02\x03", 32)),
    ],
)
def test_a_prefix_is_read(text: str, parsed: tuple[bytes, int]) -> None:
    assert destination(text) == parsed
    assert prefix_text((*parsed, 100)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/024", "10.0.0.0/08", "10.1.0.1/24", "10.1/16", "/24",
        "a/8", "2001:db8::/129", "2001:db8::/", "2001:db8::1/64", "10.1.0.0/-1", "10.1.0.0/²", "10.1.0.0/24 ",
        "10.1.0.0\0/24", "10.1.0.0/2\u0664", "\ud800/8",
    ],
)  # fmt: skip
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        destination(text)


def test_a_class_wants_one_nexthop_and_a_route_a_prefix_above_an_unreachable_one() -> None:
    state = at_once(Wanted()([a_class()], {"bandung": ID}, lambda _tunnel: 3, ("10.1.0.0/24",)))
    assert state.nexthops == {ID: 3}
    assert state.routes == {(*NET, 100): ID, (*NET, 0xFFFFFFFF): 0}


def test_a_class_without_a_usable_interface_leaves_its_prefixes_unreachable() -> None:
    state = at_once(Wanted()([a_class()], {"bandung": ID}, lambda _tunnel: 0, ("10.1.0.0/24",)))
    assert (state.nexthops, state.routes) == ({}, {(*NET, 0xFFFFFFFF): 0})


def test_a_route_that_changes_its_class_is_replaced_before_its_old_nexthop_goes() -> None:
    have = KernelState({ID: 1}, {(*NET, 100): ID})
    want = KernelState({ID + 1: 2}, {(*NET, 100): ID + 1})
    changes = plan(want, have, NONE, sweep=True)
    assert changes.take(have, 9) == [Operation(ID + 1, 2, creates=True), Operation((*NET, 100), ID + 1)]
    assert changes.take(have, 9) == [Operation(ID, None)]
    assert not changes


def test_nothing_is_dropped_before_the_first_whole_order() -> None:
    have = KernelState({ID: 1}, {(*NET, 100): ID})
    assert not plan(KernelState(), have, NONE, sweep=False)


def test_a_route_that_is_blocked_by_somebody_elses_is_left_alone() -> None:
    want = KernelState({}, {(*NET, 100): ID})
    assert not plan(want, KernelState(), frozenset({(*NET, 100)}), sweep=True)


def test_a_class_takes_the_nexthop_that_its_prefixes_are_on_in_the_kernel() -> None:
    have = KernelState({ID: 1, ID + 1: 2}, {(*NET, 100): ID + 1})
    assert free_id(["10.1.0.0/24"], [], have, []) == ID + 1
    assert free_id(["10.1.0.0/24"], [ID + 1], have, []) == ID + 2
    assert free_id(["10.9.0.0/24"], [], have, [ID + 2]) == ID + 3


def test_what_is_made_of_a_class_follows_its_changes() -> None:
    make, one = Wanted(), a_class()
    assert at_once(make([one], {"bandung": ID}, lambda _tunnel: 3, ())).routes == {(*NET, 100): ID}
    assert at_once(make([one], {"bandung": ID + 1}, lambda _tunnel: 3, ())).routes == {(*NET, 100): ID + 1}
    other = replace(one, prefixes=("10.2.0.0/24",))
    assert at_once(make([other], {"bandung": ID}, lambda _tunnel: 3, ())).routes == {(b"\x0a\x02\0\0", 24, 100): ID}


def test_a_class_has_a_nexthop_for_each_ip_version_that_it_has_prefixes_of() -> None:
    six = (b"\x20\x01\x0d\xb8" + bytes(12), 32)
    both = replace(a_class(), prefixes=("10.1.0.0/24", "2001:db8::/32"))
    state = at_once(Wanted()([both], {"bandung": ID}, lambda _tunnel: 3, ("2001:db8::/32",)))
    assert state.nexthops == {ID: 3, ID + 0x8000: 3}
    assert state.routes == {(*NET, 100): ID, (*six, 100): ID + 0x8000, (*six, 0xFFFFFFFF): 0}


def test_a_pair_is_free_only_when_both_of_its_ids_are() -> None:
    have = KernelState({ID + 0x8000: 1}, {})
    assert free_id(["10.9.0.0/24"], [], have, [ID + 0x8001]) == ID + 2


STATES = st.builds(
    KernelState,
    st.dictionaries(st.integers(ID, ID + 4), st.integers(1, 3)),
    st.dictionaries(
        st.tuples(st.sampled_from([b"\x0a\x01\x00\x00", b"\x0a\x02\x00\x00"]), st.sampled_from([16, 24]), st.just(100)),
        st.integers(ID, ID + 4),
    ),
)


@given(STATES, STATES)
def test_carrying_out_the_plan_leads_to_what_is_wanted_and_leaves_nothing_to_do(
    want: KernelState, have: KernelState
) -> None:
    kept = set(want.routes) & set(have.routes)
    changes = plan(want, have, NONE, sweep=True)
    while changes:
        for operation in changes.take(have, 2):
            done(operation, have)
            assert kept <= set(have.routes)
    assert (have.nexthops, have.routes) == (want.nexthops, want.routes)
    assert not plan(want, have, NONE, sweep=True)
