"""Which branches a drain would leave without a usable tunnel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from override_values import NOON, NOW, a_drain, drains, minutes
from small_network import a_branch, a_network

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import NO_OVERRIDES, Overrides, Target
from policies.model.view import LivenessState, LivenessView, View
from policies.overrides.isolation import isolated_by

INTENT = a_network(
    a_branch(), a_branch("solo", ("fiber", "lte", "wireless"), number=2), a_branch("tegal", ("fiber",), number=3)
)
UP = LivenessView(LivenessState.UP, Instant(10.0))
DOWN = LivenessView(LivenessState.DOWN, Instant(1000.0 - 3600.0))


def view(**tunnels: LivenessView) -> View:
    """All tunnels up, but for those of bandung that are given."""
    every = dict.fromkeys(INTENT.tunnels(), UP)
    return View(liveness=every | {TunnelId("bandung", n): one for n, one in tunnels.items()}, forwarder=True)


def isolated(
    target: str, seen: View | None = None, *, others: Overrides = NO_OVERRIDES, **when: float
) -> Mapping[str, str]:
    tunnels = Target(target).tunnels(INTENT)
    times = {key: NOON + minutes(value) for key, value in when.items()}
    return isolated_by(tunnels, INTENT, view() if seen is None else seen, others, NOW, **times)


@pytest.mark.parametrize(
    ("target", "seen", "others", "found"),
    [
        ("bandung/wireless", view(), NO_OVERRIDES, {}),
        ("bandung/wireless", view(fiber=DOWN), NO_OVERRIDES, {"bandung": "fiber is down since 11:00"}),
        ("bandung/wireless", view(fiber=LivenessView()), NO_OVERRIDES, {"bandung": "of fiber nothing is known yet"}),
        (
            "bandung/wireless",
            replace(view(), forwarder=False),
            NO_OVERRIDES,
            {"bandung": "the forwarder does not answer, so that nothing is known of fiber"},
        ),
        (
            "bandung/wireless",
            view(),
            drains(a_drain(3, "bandung/fiber", 0, 90)),
            {"bandung": "fiber is drained until 13:30 (drain 3)"},
        ),
        (
            "bandung/wireless",
            view(),
            drains(a_drain(3, "bandung/fiber", 0, 90), a_drain(4, "isp:isp-fiber")),
            {"bandung": "fiber is drained (drains 3, 4)"},
        ),
        (
            "solo/fiber",
            view(),
            drains(a_drain(3, "solo/lte", 0, 60 * 24), a_drain(4, "solo/wireless", 0, 5)),
            {"solo": "lte is drained until 2026-11-23 12:00 (drain 3), wireless is drained until 12:05 (drain 4)"},
        ),
        ("solo/fiber", view(), drains(a_drain(3, "solo/lte")), {}),
        ("bandung", view(), NO_OVERRIDES, {"bandung": "all of its tunnels are meant"}),
        ("tegal/fiber", view(), NO_OVERRIDES, {"tegal": "it has no other tunnel"}),
        ("isp:isp-fiber", view(wireless=DOWN), NO_OVERRIDES,
         {"bandung": "wireless is down since 11:00", "tegal": "it has no other tunnel"}),
    ],
)  # fmt: skip
def test_a_branch_is_isolated_when_nothing_else_of_it_is_usable(
    target: str, seen: View, others: Overrides, found: Mapping[str, str]
) -> None:
    assert isolated(target, seen, others=others) == found


def test_a_tunnel_that_is_about_to_be_removed_carries_nothing_for_long() -> None:
    bandung = INTENT.branches["bandung"]
    leaving = replace(bandung, leaving=frozenset({TunnelId("bandung", "fiber")}))
    intent = Intent("kencana", "Asia/Jakarta", INTENT.hub, {**INTENT.branches, "bandung": leaving})
    found = isolated_by({TunnelId("bandung", "wireless")}, intent, view(), NO_OVERRIDES, NOW)
    assert found == {"bandung": "fiber is about to be removed"}


def test_how_a_tunnel_is_now_says_nothing_of_later() -> None:
    assert isolated("bandung/wireless", view(fiber=DOWN), begins=60) == {}
    assert isolated("tegal/fiber", begins=60) == {"tegal": "it has no other tunnel"}


@pytest.mark.parametrize(
    ("begins", "until", "found"),
    [(0, 30, False), (0, 31, True), (0, None, True), (45, 50, True), (60, 90, False)],
)
def test_another_drain_counts_while_both_hold(begins: float, until: float | None, found: bool) -> None:
    others = drains(a_drain(3, "bandung/fiber", 30, 60))
    when = {"begins": begins} | ({"until": until} if until is not None else {})
    assert bool(isolated("bandung/wireless", others=others, **when)) is found


def test_drains_of_two_others_that_follow_each_other_leave_one_at_a_time() -> None:
    others = drains(a_drain(3, "solo/lte", 0, 30), a_drain(4, "solo/wireless", 30, 60))
    assert isolated("solo/fiber", others=others) == {}


def test_a_drain_that_rolls_out_counts_from_when_it_comes_to_the_branch() -> None:
    others = drains(a_drain(3, "isp:isp-fiber", 0, 60, rate=0.1))  # solo: ten minutes after bandung
    assert isolated("isp:isp-wireless", others=others, until=5).keys() == {"bandung"}
