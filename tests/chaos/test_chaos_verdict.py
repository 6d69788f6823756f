"""Which gaps the faults of their time explain, and which they don't."""

from __future__ import annotations

import pytest
from chaos_faults import Kind
from chaos_verdict import BRANCH_DETECTION, HUB_DETECTION, SLACK, Interval, Site, explain

BANDUNG = Site("bandung", ("bandung/fiber", "bandung/wireless"), own_bfd=True)
TEGAL = Site("tegal", ("tegal/fiber", "tegal/wireless"), own_bfd=False)


def cut(target: str, begin: float, end: float, kind: Kind = Kind.CUT) -> Interval:
    return Interval(kind, target, begin, end)


def killed(process: str, begin: float, end: float) -> Interval:
    return Interval(Kind.KILL, process, begin, end)


@pytest.mark.parametrize(
    ("site", "direction", "intervals", "allowed"),
    [
        (BANDUNG, "to_branch", [], 0.0),
        (BANDUNG, "to_branch", [killed("forwarder", 9.0, 11.0)], 0.0),
        (BANDUNG, "to_branch", [cut("tegal/fiber", 9.0, 12.0)], 0.0),
        (BANDUNG, "to_hub", [cut("bandung/fiber", 9.0, 12.0, Kind.CUT_TO_BRANCH)], 0.0),
        (BANDUNG, "to_branch", [cut("bandung/fiber", 9.0, 12.0)], HUB_DETECTION + SLACK),
        (BANDUNG, "to_hub", [cut("bandung/fiber", 9.0, 12.0)], BRANCH_DETECTION + SLACK),
        (TEGAL, "to_hub", [cut("tegal/fiber", 9.0, 12.0)], HUB_DETECTION + SLACK),
        (BANDUNG, "to_hub", [cut("bandung/fiber", 9.0, 12.0), killed("controller", 9.9, 11.0)], 0.85),
        (TEGAL, "to_branch", [cut("tegal/fiber", 9.0, 12.0), killed("controller", 9.9, 11.0)], 0.65),
        (TEGAL, "to_hub", [cut("tegal/fiber", 9.0, 12.0), killed("controller", 9.9, 11.0)], 3.65),
        (BANDUNG, "to_branch", [cut("bandung/fiber", 9.0, 12.0), killed("forwarder", 9.9, 10.5)], 3.15),
    ],
)
def test_a_gap_may_last_one_detection_from_when_all_that_it_takes_is_there(
    site: Site, direction: str, intervals: list[Interval], allowed: float
) -> None:
    assert explain(site, direction, 10.0, intervals).allowed == pytest.approx(allowed)


def test_while_all_tunnels_are_cut_nothing_can_be_done() -> None:
    both = [cut("bandung/fiber", 9.0, 15.0), cut("bandung/wireless", 9.5, 13.0)]
    assert explain(BANDUNG, "to_branch", 10.0, both).allowed > 3.0


def test_a_gap_long_after_the_healing_is_not_explained_by_it() -> None:
    assert explain(BANDUNG, "to_branch", 12.5, [cut("bandung/fiber", 9.0, 12.0)]).allowed == 0.0


def test_the_cause_is_named() -> None:
    verdict = explain(TEGAL, "to_hub", 10.0, [cut("tegal/fiber", 9.9, 12.0), killed("exabgp-1", 9.0, 10.2)])
    assert verdict.because == "exabgp-1 killed, tegal/fiber cut"
