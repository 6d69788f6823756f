"""Which gaps the faults of their time explain, and which they don't."""

from __future__ import annotations

import pytest
from chaos_faults import Kind
from chaos_verdict import (
    BACK_UP,
    BRANCH_DETECTION,
    HUB_DETECTION,
    RANDOM_LOSS,
    SESSION_BACK,
    SLACK,
    Interval,
    Site,
    explain,
)

BIRD = Site("bird", ("bird/fiber", "bird/wireless"), own_bfd=True, guarded_floor=True)
FRR = Site("frr", ("frr/fiber", "frr/wireless"), own_bfd=True, guarded_floor=False)
ICMP = Site("icmp", ("icmp/fiber", "icmp/wireless"), own_bfd=False, guarded_floor=False)
HUB = HUB_DETECTION + SLACK
BRANCH = BRANCH_DETECTION + SLACK


def cut(target: str, begin: float, end: float, kind: Kind = Kind.CUT) -> Interval:
    return Interval(kind, target, begin, end)


def struck(process: str, begin: float, end: float, kind: Kind = Kind.KILL) -> Interval:
    return Interval(kind, process, begin, end)


def fiber(site: Site) -> Interval:
    return cut(site.tunnels[0], 9.0, 12.0)


@pytest.mark.parametrize(
    ("site", "direction", "intervals", "allowed"),
    [
        (BIRD, "to_branch", [], 0.0),
        (BIRD, "to_branch", [struck("forwarder", 9.0, 11.0)], 0.0),
        (BIRD, "to_branch", [cut("icmp/fiber", 9.0, 12.0)], 0.0),
        (BIRD, "to_hub", [cut("bird/fiber", 9.0, 12.0, Kind.CUT_TO_BRANCH)], 0.0),
        (BIRD, "to_branch", [fiber(BIRD)], HUB),
        (BIRD, "to_hub", [fiber(BIRD)], BRANCH),
        (ICMP, "to_hub", [fiber(ICMP)], HUB),
    ],
)
def test_a_gap_needs_a_cut_of_its_direction_and_may_last_one_detection(
    site: Site, direction: str, intervals: list[Interval], allowed: float
) -> None:
    assert explain(site, direction, 10.0, intervals).allowed == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("site", "direction", "fault", "allowed"),
    [
        (BIRD, "to_branch", struck("forwarder", 9.9, 10.5), 0.5 + 2.0 + HUB),
        (BIRD, "to_branch", struck("controller", 9.9, 11.0), HUB),
        (ICMP, "to_branch", struck("controller", 9.9, 11.0), HUB),
        (BIRD, "to_hub", struck("controller", 9.9, 11.0), BRANCH),
        (BIRD, "to_hub", struck("exabgp-1", 9.9, 11.0), BRANCH),
        (FRR, "to_hub", struck("controller", 9.9, 11.0), BRANCH),
        (FRR, "to_hub", struck("relay", 9.9, 11.0), BRANCH),
        (FRR, "to_hub", struck("exabgp-1", 9.9, 11.0), 1.0 + SESSION_BACK + BRANCH),
        (FRR, "to_hub", struck("exabgp-1", 9.9, 11.0, Kind.STOP), BRANCH),
        (FRR, "to_branch", struck("exabgp-1", 9.9, 11.0), HUB),
        (FRR, "to_hub", struck("forwarder", 9.9, 10.3), 0.3 + 2.0 + BRANCH),
        (FRR, "to_hub", struck("forwarder", 9.9, 10.5, Kind.STOP), 0.5 + 2.0 + SESSION_BACK + BRANCH),
        (ICMP, "to_hub", struck("controller", 9.9, 11.0), 1.0 + 2.0 + HUB),
    ],
)
def test_the_wait_for_a_process_counts_only_where_the_move_needs_it(
    site: Site, direction: str, fault: Interval, allowed: float
) -> None:
    assert explain(site, direction, 10.0, [fiber(site), fault]).allowed == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("site", "direction", "until_live"),
    [
        (BIRD, "to_branch", BACK_UP),
        (BIRD, "to_hub", BACK_UP),
        (FRR, "to_branch", BACK_UP),
        (FRR, "to_hub", BACK_UP + SESSION_BACK),
        (ICMP, "to_hub", 2 * 3.5 + SESSION_BACK),
    ],
)
def test_while_all_tunnels_are_cut_nothing_can_be_done(site: Site, direction: str, until_live: float) -> None:
    both = [cut(site.tunnels[0], 9.0, 15.0), cut(site.tunnels[1], 9.5, 13.0)]
    assert explain(site, direction, 10.0, both).waited == pytest.approx(3.0 + until_live)


def test_the_cut_of_a_tunnel_that_nothing_moved_the_branch_to_explains_nothing() -> None:
    assert explain(BIRD, "to_branch", 10.0, [cut("bird/wireless", 9.0, 12.0)]).allowed == 0.0
    assert explain(BIRD, "to_branch", 10.0, [cut("bird/wireless", 9.0, 12.0, Kind.LOSS)]).allowed == 0.0


@pytest.mark.parametrize(
    ("mover", "explained"),
    [
        (cut("bird/fiber", 8.0, 8.5), True),
        (cut("bird/fiber", 8.0, 8.5, Kind.LOSS), True),
        (cut("icmp/fiber", 8.0, 8.5), False),
        (cut("bird/fiber", 10.5, 12.0), False),
        (struck("exabgp-1", 8.0, 8.5), True),
        (struck("forwarder", 8.0, 8.5), True),
        (struck("controller", 8.0, 8.5), False),
        (Interval(Kind.APPLY, "bird", 8.0, 9.5), True),
        (Interval(Kind.APPLY, "icmp", 8.0, 9.5), False),
    ],
)
def test_the_cut_of_the_other_tunnel_explains_a_gap_after_what_may_have_moved_the_branch(
    mover: Interval, explained: bool
) -> None:
    intervals = [mover, cut("bird/wireless", 9.0, 12.0)]
    assert (explain(BIRD, "to_branch", 10.0, intervals).allowed > 0) is explained


def test_loss_at_random_on_the_tunnel_in_use_is_told_as_such() -> None:
    assert explain(BIRD, "to_branch", 10.0, [cut("bird/fiber", 9.0, 12.0, Kind.LOSS)]).because == RANDOM_LOSS


def test_a_gap_long_after_the_healing_is_not_explained_by_it() -> None:
    assert explain(BIRD, "to_branch", 12.5, [fiber(BIRD)]).allowed == 0.0


def test_the_cause_is_named() -> None:
    verdict = explain(ICMP, "to_hub", 10.0, [cut("icmp/fiber", 9.9, 12.0), struck("exabgp-1", 9.0, 10.2)])
    assert verdict.because == "exabgp-1 killed, icmp/fiber cut"
