"""The order of tunnels: what works first, then metered last, then `prefer`, then by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_network import a_branch, a_tunnel

from policies.model.clock import Instant
from policies.model.health import Figures, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.policy import Metered
from policies.model.view import LivenessState, LivenessView, SessionState, SessionView, View
from policies.ranking import present_order, standing_order
from policies.steering import plain_steering

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


FIBER, WIRELESS, LTE = (TunnelId("bandung", name) for name in ("fiber", "wireless", "lte"))
ALL = ("fiber", "wireless", "lte")


def ranked(
    metered: Metered = Metered.WHEN_DEGRADED,
    *,
    bad: Mapping[TunnelId, Figures] | None = None,
    dead: tuple[TunnelId, ...] = (),
    **steered: object,
) -> list[str]:
    """Three live tunnels, of which lte is metered."""
    branch = a_branch(tunnels=ALL)
    tunnels = (*branch.tunnels[:2], a_tunnel("bandung", "lte", 12, metered=True))
    branch = replace(branch, tunnels=tunnels)
    down, up = LivenessView(LivenessState.DOWN), LivenessView(LivenessState.UP)
    view = View(
        liveness={t.id: down if t.id in dead else up for t in tunnels},
        health={t: HealthView(HealthState.DEGRADED, figures=figures) for t, figures in (bad or {}).items()},
    )
    steering = replace(plain_steering(branch), metered=metered, **steered)  # type: ignore[arg-type]
    return [each.tunnel.name for each in present_order(branch, view, NOW, steering)]


SOME, MUCH = Figures(loss=0.03), Figures(loss=0.15)


@pytest.mark.parametrize(
    ("metered", "bad", "order"),
    [
        (Metered.WHEN_DEGRADED, {}, ["fiber", "wireless", "lte"]),
        (Metered.WHEN_DEGRADED, {FIBER: SOME}, ["wireless", "lte", "fiber"]),
        (Metered.WHEN_DEGRADED, {FIBER: SOME, WIRELESS: SOME}, ["lte", "fiber", "wireless"]),
        (Metered.WHEN_DEGRADED, {FIBER: SOME, WIRELESS: SOME, LTE: SOME}, ["fiber", "wireless", "lte"]),
        (Metered.WHEN_DEGRADED, {FIBER: MUCH, WIRELESS: SOME, LTE: SOME}, ["wireless", "lte", "fiber"]),
        (Metered.LAST_RESORT, {FIBER: SOME, WIRELESS: SOME}, ["fiber", "wireless", "lte"]),
        (Metered.LAST_RESORT, {FIBER: MUCH, WIRELESS: SOME}, ["wireless", "fiber", "lte"]),
        (Metered.ALLOWED, {FIBER: SOME}, ["wireless", "lte", "fiber"]),
    ],
)
def test_bad_tunnels_rank_behind_good_ones_and_metered_ones_as_the_policy_says(
    metered: Metered, bad: Mapping[TunnelId, Figures], order: list[str]
) -> None:
    assert ranked(metered, bad=bad) == order


def test_last_resort_means_that_all_others_are_down() -> None:
    assert ranked(Metered.LAST_RESORT, bad={WIRELESS: MUCH}, dead=(FIBER,)) == ["wireless", "lte", "fiber"]
    assert ranked(Metered.LAST_RESORT, dead=(FIBER, WIRELESS)) == ["lte", "fiber", "wireless"]


def test_what_is_drained_comes_after_everything_usable_also_after_the_last_resort() -> None:
    drained = frozenset({FIBER})
    assert ranked(drained=drained, bad={WIRELESS: MUCH, LTE: MUCH}) == ["wireless", "lte", "fiber"]
    assert ranked(Metered.LAST_RESORT, drained=drained, bad={WIRELESS: MUCH}) == ["wireless", "lte", "fiber"]
    assert ranked(drained=drained, dead=(WIRELESS, LTE)) == ["fiber", "wireless", "lte"]


def test_a_switch_goes_before_the_policys_order_and_before_metered_but_not_before_health() -> None:
    assert ranked(switched=LTE) == ["lte", "fiber", "wireless"]
    assert ranked(switched=LTE, bad={LTE: SOME}) == ["fiber", "wireless", "lte"]
    assert ranked(switched=LTE, drained=frozenset({LTE})) == ["fiber", "wireless", "lte"]


def test_where_degraded_is_ignored_a_bad_tunnel_ranks_as_a_good_one() -> None:
    assert ranked(ignore_degraded=True, bad={FIBER: MUCH}) == ["fiber", "wireless", "lte"]


liveness_states = st.sampled_from((LivenessState.UP, LivenessState.DOWN))
conditions = st.tuples(liveness_states, st.sampled_from(HealthState), st.booleans())


@given(st.tuples(conditions, conditions, conditions), st.sampled_from(Metered))
def test_drained_never_ranks_before_what_is_usable(
    states: tuple[tuple[LivenessState, HealthState, bool], ...], metered: Metered
) -> None:
    ids = (FIBER, WIRELESS, LTE)
    dead = tuple(t for t, (live, _, _) in zip(ids, states, strict=True) if live is LivenessState.DOWN)
    bad = {t: MUCH for t, (_, health, _) in zip(ids, states, strict=True) if health is HealthState.DEGRADED}
    drained = frozenset(t for t, (_, _, drains) in zip(ids, states, strict=True) if drains)
    order = ranked(metered, bad=bad, dead=dead, drained=drained)
    usable = [t.name for t in ids if t not in dead and t not in drained]
    assert set(order[: len(usable)]) == set(usable)


def priced(branch: Branch, **costs: float | None) -> Branch:
    tunnels = (replace(t, uplink=replace(t.uplink, cost=costs.get(t.id.name))) for t in branch.tunnels)
    return replace(branch, tunnels=tuple(tunnels))


FOUR = priced(a_branch(tunnels=("fiber", "lte", "wireless", "zulu")), fiber=900, lte=12.5, wireless=0)


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (("cheapest",), ["wireless", "lte", "fiber", "zulu"]),
        (("fiber", "cheapest"), ["fiber", "wireless", "lte", "zulu"]),
        (("zulu", "cheapest"), ["zulu", "wireless", "lte", "fiber"]),
        (("cheapest", "fiber"), ["wireless", "lte", "fiber", "zulu"]),
        (("lte",), ["lte", "fiber", "wireless", "zulu"]),
    ],
)
def test_cheapest_ranks_by_cost_what_no_entry_before_it_names(prefer: tuple[str, ...], expected: list[str]) -> None:
    assert names(with_policy(FOUR, prefer=prefer)) == expected


def test_those_that_cost_the_same_are_ranked_by_name_and_those_of_no_known_cost_too() -> None:
    branch = priced(a_branch(tunnels=("yankee", "alfa", "zulu", "bravo")), alfa=5, zulu=5)
    assert names(with_policy(branch, prefer=("cheapest",))) == ["alfa", "zulu", "bravo", "yankee"]


def test_a_metered_tunnel_is_last_however_cheap_unless_allowed() -> None:
    cheap = a_tunnel("bandung", "lte", 8, metered=True, cost=1)
    branch = replace(FOUR, tunnels=(FOUR.tunnels[0], cheap))
    for metered, expected in ((Metered.WHEN_DEGRADED, ["fiber", "lte"]), (Metered.ALLOWED, ["lte", "fiber"])):
        assert names(with_policy(branch, prefer=("cheapest",), metered=metered)) == expected
