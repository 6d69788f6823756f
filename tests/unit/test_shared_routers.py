"""Which routers on the way to two tunnels say that they share it, and which say nothing.

A path is written as its hops from the hub on, `-` for one that is silent, and at last where it ends: `!` where that
answered.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.outer_path import OuterPath, Trace
from policies.outer_paths import Passed, SharedRouter, last_router, shared_router, together

FIBER, LTE = TunnelId("bandung", "fiber"), TunnelId("bandung", "lte")
X1, X2, X3 = "198.51.100.1", "198.51.100.2", "198.51.100.3"
Y1, Y2 = "203.0.113.1", "203.0.113.2"
C, D, E = "192.0.2.1", "192.0.2.2", "192.0.2.3"
TO_FIBER, TO_LTE = "198.18.1.2", "198.18.2.2"


def path(hops: str, to: str, uplink: str = "telkom") -> OuterPath:
    return OuterPath(trace(hops, to), uplink, Instant(0.0))


def trace(hops: str, to: str = TO_FIBER) -> Trace:
    *before, last = hops.split()
    found = (*before, *([] if last == "!" else [last]))
    return Trace(to, tuple(None if hop == "-" else hop for hop in found), last == "!")


def shared(
    fiber: str, lte: str, uplinks: tuple[str, str] = ("telkom", "biznet"), others: Mapping[TunnelId, OuterPath] = {}
) -> str | None:
    one, other = path(fiber, TO_FIBER, uplinks[0]), path(lte, TO_LTE, uplinks[1])
    found = shared_router("bandung", one, other, Passed({**others, FIBER: one, LTE: other}))
    return None if found is None else found.address


@pytest.mark.parametrize(
    ("fiber", "lte", "router"),
    [
        (f"{X1} {C} !", f"{Y1} {C} !", C),
        (f"{X1} {C} -", f"{Y1} {C} -", C),
        (f"{X1} {C} {D} !", f"{Y1} {C} {D} !", D),
        (f"{X1} {C} - - {X2} !", f"{Y1} {C} {Y2} !", C),
        (f"- - {C} !", f"- - {C} !", C),
        (f"{X1} {X2} !", f"{Y1} {Y2} !", None),
        (f"{X1} - - !", f"{Y1} - - !", None),
        ("- - -", "- - -", None),
        (f"{X1} {C} {D} {E} {X2} !", f"{Y1} {C} {Y2} !", None),
        (f"{C} {X1} !", f"{C} {Y1} !", None),
        (f"{C} {D} -", f"{C} {D} {Y1} !", None),
        (f"{X1} {TO_LTE} !", f"{Y1} {TO_LTE} !", None),
    ],
    ids=["the last of both", "ends that are silent", "the nearest of two", "at another distance of each",
         "behind providers that are silent", "none", "silence is none", "nobody answers", "too far from the end",
         "a router before both uplinks", "two of them", "the ends themselves"],
)  # fmt: skip
def test_by_different_uplinks_of_the_hub(fiber: str, lte: str, router: str | None) -> None:
    assert shared(fiber, lte) == router


def others(*hops: str, uplink: str = "telkom") -> dict[TunnelId, OuterPath]:
    """Paths to so many other branches."""
    return {TunnelId(f"other{n}", "fiber"): path(each, f"198.18.3.{n}", uplink) for n, each in enumerate(hops)}


@pytest.mark.parametrize(
    ("fiber", "lte", "known", "router"),
    [
        (f"{X1} {C} !", f"{X1} {C} !", others(), None),
        (f"{X1} {C} !", f"{X1} {C} !", others(f"{X1} {D} !", f"{X1} {E} !"), None),
        (f"{X1} {C} !", f"{X1} {C} !", others(f"{X1} {D} !", f"{X1} {E} !", f"{X1} !"), C),
        (f"{X1} {C} !", f"{X1} {C} !", others(f"{X1} {C} !", f"{X1} {E} !", f"{X1} !"), None),
        (f"{X1} {C} !", f"{X1} {C} !", others(*[f"{X1} {D} !"] * 3, uplink="biznet"), None),
        (f"{X1} - {C} !", f"{X1} {D} {C} !", others(), None),
        (f"{X1} {X2} {C} !", f"{X1} {X3} {C} !", others(), C),
        (f"{X1} {X2} {C} !", f"{X1} {X3} {C} !", others(f"{X1} {C} {D} !"), None),
    ],
    ids=["nobody knows whose it is", "two others are too few", "no other goes there", "another goes there",
         "others by another uplink", "silence may be the same", "they part and meet again", "where all meet again"],
)  # fmt: skip
def test_by_one_uplink_of_the_hub(fiber: str, lte: str, known: dict[TunnelId, OuterPath], router: str | None) -> None:
    assert shared(fiber, lte, ("telkom", "telkom"), known) == router


@pytest.mark.parametrize("address", ["10.0.0.1", "100.64.0.1", "192.168.1.1", "fd00::1", "fe80::1"])
def test_an_address_that_every_network_has_is_no_evidence(address: str) -> None:
    assert shared(f"{X1} {address} !", f"{Y1} {address} !") is None


@pytest.mark.parametrize(
    ("fiber", "lte", "router"),
    [
        (f"{X1} {C} 10.0.0.1 !", f"{Y1} {C} 10.0.0.1 !", "10.0.0.1"),
        (f"{X1} 10.0.0.1 {C} !", f"{Y1} {D} 10.0.0.1 {C} {E} !", C),
        (f"{X1} {C} - 10.0.0.1 !", f"{Y1} {D} - 10.0.0.1 !", None),
        (f"{X1} 10.0.0.2 10.0.0.1 !", f"{Y1} 10.0.0.2 10.0.0.1 !", None),
        (f"{C} 10.0.0.1 !", f"{C} 10.0.0.1 !", None),
    ],
    ids=["beside the same one", "the public one is nearer", "beside others", "beside a private one",
         "beside the hub's own"],
)  # fmt: skip
def test_but_where_the_router_beside_it_is_the_same(fiber: str, lte: str, router: str | None) -> None:
    assert shared(fiber, lte) == router


def test_it_is_told_how_far_from_each_end_it_is_counting_who_answers() -> None:
    one, other = path(f"{X1} {C} - {X2} - !", TO_FIBER), path(f"{Y1} {C} !", TO_LTE, "biznet")
    assert shared_router("bandung", one, other, Passed({})) == SharedRouter(C, (2, 1))


@pytest.mark.parametrize(
    ("fiber", "uplinks", "last"),
    [
        (f"{X1} {C} !", ("telkom", "biznet"), C),
        (f"{X1} {C} - -", ("telkom", "biznet"), C),
        (f"{X1} {C} !", ("telkom", "telkom"), C),
        (f"{X1} {C} - -", ("telkom", "telkom"), None),
        (f"{X1} {C} - !", ("telkom", "telkom"), None),
        ("- -", ("telkom", "biznet"), None),
        ("!", ("telkom", "telkom"), None),
    ],
)
def test_the_last_router_of_a_path(fiber: str, uplinks: tuple[str, str], last: str | None) -> None:
    assert last_router(path(fiber, TO_FIBER, uplinks[0]), path(f"{Y1} !", TO_LTE, uplinks[1])) == last


def test_the_hub_s_own_router_is_not_the_last_of_a_path() -> None:
    assert last_router(path(f"{X1} -", TO_FIBER), path(f"{X1} {Y1} !", TO_LTE, "biznet")) is None


@pytest.mark.parametrize(
    ("newest_first", "all_of_them"),
    [
        ((f"{X1} {C} !",), f"{X1} {C} !"),
        ((f"{X1} - !", f"{X1} {C} !"), f"{X1} {C} !"),
        ((f"{X1} {D} !", f"{X1} {C} !"), f"{X1} {D} !"),
        ((f"{X1} -", f"{X1} {C} !"), f"{X1} {C} !"),
        ((f"{X1} !", f"{X1} {C} !"), f"{X1} !"),
        ((f"{X1} {C} {D} -", f"{X1} !"), f"{X1} {C} {D} -"),
    ],
    ids=["one", "a router that is silent now and then", "another way", "an end that is silent now and then",
         "a shorter way", "a longer way, whose end is silent"],
)  # fmt: skip
def test_traces_are_read_together(newest_first: tuple[str, ...], all_of_them: str) -> None:
    found, expected = together([trace(each) for each in newest_first]), trace(all_of_them)
    assert (_trimmed(found.hops), found.reached) == (_trimmed(expected.hops), expected.reached)


def _trimmed(hops: tuple[str | None, ...]) -> tuple[str | None, ...]:
    while hops and hops[-1] is None:
        hops = hops[:-1]
    return hops
