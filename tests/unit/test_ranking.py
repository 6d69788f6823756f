"""The order of tunnels: what works first, then metered last, then `prefer`, then by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_network import a_branch, a_tunnel

from policies.model.clock import Instant
from policies.model.intent import Branch
from policies.model.policy import Metered
from policies.model.view import LivenessState, LivenessView, SessionState, SessionView, View
from policies.ranking import present_order, standing_order

NOW = Instant(100.0)


def names(branch: Branch) -> list[str]:
    return [tunnel.id.name for tunnel in standing_order(branch)]


def with_policy(branch: Branch, **changes: object) -> Branch:
    return replace(branch, policy=replace(branch.policy, **changes))


def test_the_kind_of_the_uplink_decides() -> None:
    assert names(a_branch(tunnels=("lte", "wireless", "fiber"))) == ["fiber", "wireless", "lte"]


def test_the_exact_name_of_a_tunnel_goes_before_its_kind() -> None:
    branch = a_branch(tunnels=("fiber", "wireless"))
    metro = a_tunnel("bandung", "metro", 40, kind="fiber")
    branch = with_policy(replace(branch, tunnels=(*branch.tunnels, metro)), prefer=("metro", "wireless", "fiber"))
    assert names(branch) == ["metro", "wireless", "fiber"]


def test_what_is_not_listed_comes_after_by_name() -> None:
    branch = with_policy(a_branch(tunnels=("zulu", "alfa", "lte")), prefer=("lte",))
    assert names(branch) == ["lte", "alfa", "zulu"]


@pytest.mark.parametrize(
    ("metered", "expected"),
    [
        (Metered.WHEN_DEGRADED, ["wireless", "fiber"]),
        (Metered.LAST_RESORT, ["wireless", "fiber"]),
        (Metered.ALLOWED, ["fiber", "wireless"]),
    ],
)
def test_a_metered_tunnel_is_last_unless_allowed(metered: Metered, expected: list[str]) -> None:
    fiber = a_tunnel("bandung", "fiber", 8, metered=True)
    branch = a_branch()
    branch = with_policy(replace(branch, tunnels=(fiber, branch.tunnels[1])), metered=metered)
    assert names(branch) == expected


def present(fiber: LivenessState, *, session_gone_for: float | None = None) -> list[str]:
    branch = a_branch()
    fiber_id, wireless_id = (tunnel.id for tunnel in branch.tunnels)
    session = SessionView(SessionState.UP)
    if session_gone_for is not None:
        session = SessionView(SessionState.DOWN, Instant(NOW - session_gone_for))
    view = View(
        liveness={fiber_id: LivenessView(fiber), wireless_id: LivenessView(LivenessState.UP)},
        sessions={fiber_id: session, wireless_id: SessionView(SessionState.UP)},
    )
    return [ranked.tunnel.name for ranked in present_order(branch, view, NOW)]


@pytest.mark.parametrize(
    ("fiber", "first"),
    [(LivenessState.UP, "fiber"), (LivenessState.DOWN, "wireless"), (LivenessState.UNKNOWN, "wireless")],
)
def test_a_live_tunnel_ranks_above_one_that_is_dead_or_not_known(fiber: LivenessState, first: str) -> None:
    assert present(fiber)[0] == first


@pytest.mark.parametrize(("gone_for", "first"), [(1.0, "fiber"), (6.0, "wireless")])
def test_a_missing_session_counts_only_after_a_grace(gone_for: float, first: str) -> None:
    assert present(LivenessState.UP, session_gone_for=gone_for)[0] == first
