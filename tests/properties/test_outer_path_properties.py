"""What holds of every two paths: who is named is on both and near both ends, and is not explained by the hub itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.outer_path import OuterPath, Trace
from policies.outer_paths import NEAR, Passed, last_router, shared_router, together

HOP = st.sampled_from([None, *(f"192.0.2.{n}" for n in range(1, 7)), "10.0.0.1", "10.0.0.2", "2001:db8::1"])
HOPS = st.lists(HOP, max_size=8).map(tuple)
UPLINK = st.sampled_from(["telkom", "biznet"])


def paths(to: str) -> st.SearchStrategy[OuterPath]:
    return st.builds(
        lambda hops, reached, uplink: OuterPath(Trace(to, hops, reached), uplink, Instant(0.0)),
        HOPS,
        st.booleans(),
        UPLINK,
    )


OTHERS = st.dictionaries(st.sampled_from([TunnelId(f"b{n}", "fiber") for n in range(5)]), paths("198.18.3.3"))


def near_end(path: OuterPath) -> list[str]:
    """Who answered last, each once, the nearest first."""
    return list(dict.fromkeys(hop for hop in reversed(path.trace.hops) if hop is not None))[:NEAR]


@given(paths("198.18.1.2"), paths("198.18.2.2"), OTHERS)
def test_who_is_named_is_near_both_ends(fiber: OuterPath, lte: OuterPath, others: dict[TunnelId, OuterPath]) -> None:
    found = shared_router("bandung", fiber, lte, Passed(others))
    if found is not None:
        assert near_end(fiber)[found.left[0] - 1] == near_end(lte)[found.left[1] - 1] == found.address


@given(paths("198.18.1.2"), paths("198.18.2.2"), OTHERS)
def test_it_does_not_matter_which_tunnel_is_named_first(
    fiber: OuterPath, lte: OuterPath, others: dict[TunnelId, OuterPath]
) -> None:
    one = shared_router("bandung", fiber, lte, Passed(others))
    other = shared_router("bandung", lte, fiber, Passed(others))
    assert (one is None) == (other is None)


@given(paths("198.18.1.2"), paths("198.18.2.2"), OTHERS)
def test_by_one_uplink_nobody_is_named_whom_another_branch_passes(
    fiber: OuterPath, lte: OuterPath, others: dict[TunnelId, OuterPath]
) -> None:
    found = shared_router("bandung", fiber, lte, Passed(others))
    if found is not None and fiber.hub_uplink == lte.hub_uplink:
        passed = [path.trace.hops for path in others.values() if path.hub_uplink == fiber.hub_uplink]
        assert not any(found.address in hops for hops in passed)


@given(paths("198.18.1.2"), paths("198.18.2.2"))
def test_paths_that_have_no_router_in_common_share_none(fiber: OuterPath, lte: OuterPath) -> None:
    if not (set(fiber.trace.hops) & set(lte.trace.hops)) - {None}:
        assert shared_router("bandung", fiber, lte, Passed({})) is None


@given(st.lists(st.builds(Trace, st.just("198.18.1.2"), HOPS, st.booleans()), min_size=1, max_size=4))
def test_traces_together_name_nobody_whom_none_of_them_names(traces: list[Trace]) -> None:
    found = together(traces)
    assert set(found.hops) - {None} <= {hop for each in traces for hop in each.hops}
    newest = [hop for hop in zip(traces[0].hops, found.hops, strict=False) if hop[0] is not None]
    assert all(was == now for was, now in newest)
    path = OuterPath(found, "telkom", Instant(0.0))
    assert last_router(path, path) in {None, *found.hops}
