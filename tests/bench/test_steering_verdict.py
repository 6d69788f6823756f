"""When the steering benchmark says that every bar is met, and in which order it plays."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from soak_count import Span
from steering import in_turns
from steering_disturbed import DISTURBANCES, Lasting, Left
from steering_planned import PLANNED, Moved
from steering_report import Measured, met, table

GONE = ((2.0, "wireless"),)
LEFT = Left("pointsman", "loss 5 % each way", 0, "both", 2.0, 1.9, 8000, 400, GONE, GONE, "", 0.1, 20.0, 100.0)
MOVED = Moved("pointsman", "drain", 0, 20_000, 20_000, 0, 0, 0.1, 0.2, GONE, GONE)
FLAPPED = Lasting("pointsman", "cut and healed every 2 s", 100.0, 5.0, 60_000, 20, GONE, GONE, "")
LOSSY = Lasting("pointsman", "loss 0.2 % each way", 100.0, 5.0, 60_000, 120, (), (), "")


def test_it_is_met_when_all_was_left_in_time_nothing_lost_and_nothing_flapped() -> None:
    assert met(Measured([LEFT], [MOVED], [FLAPPED, LOSSY]))


@pytest.mark.parametrize(
    "measured",
    [
        Measured(left=[LEFT, replace(LEFT, branch_left=5.1)]),
        Measured(left=[replace(LEFT, branch_left=None)]),
        Measured(left=[replace(LEFT, moves_branch=GONE * 3)]),
        Measured(planned=[MOVED, replace(MOVED, lost_to_hub=1)]),
        Measured(lasting=[replace(FLAPPED, moves_branch=GONE * 4)]),
        Measured(lasting=[replace(LOSSY, moves_hub=GONE)]),
    ],
    ids=["one way late", "never left", "flapped", "a packet lost", "a flapping tunnel followed", "a good one left"],
)
def test_one_miss_of_pointsmans_is_enough(measured: Measured) -> None:
    assert not met(measured)


def test_a_move_that_follows_a_freeze_of_the_machine_is_no_miss_and_neither_is_its_way_back() -> None:
    followed = replace(LOSSY, moves_hub=((2.0, "wireless"), (12.0, "fiber")))
    frozen = [Span(101.2, 101.5)]
    assert met(Measured(lasting=[followed], freezes=frozen))
    assert not met(Measured(lasting=[replace(followed, moves_branch=((40.0, "wireless"),) * 3)], freezes=frozen))
    assert not met(Measured(lasting=[followed], freezes=[Span(99.0, 99.2)]))


def test_a_round_in_which_the_machine_froze_or_shortly_before_counts_apart() -> None:
    late = replace(LEFT, hub_left=9.0, began=200.0)
    assert met(Measured(left=[LEFT, late], freezes=[Span(190.0, 190.2)]))
    assert met(Measured(left=[LEFT, late], freezes=[Span(203.0, 203.1)]))
    assert not met(Measured(left=[LEFT, late], freezes=[Span(150.0, 150.2)]))
    assert not met(Measured(left=[late], freezes=[Span(203.0, 203.1)])), "nothing is known of this measure"
    (line,) = (line for line in table(Measured(left=[LEFT, late], freezes=[Span(203.0, 203.1)])) if "5 % each" in line)
    assert line.endswith("1 of 2 in 5 s, by one move; without a freeze of the machine 1 of 1")


def test_what_another_hub_does_is_no_miss() -> None:
    assert met(Measured([LEFT, replace(LEFT, hub="bird", hub_left=None)], [], [replace(LOSSY, hub="bird", lost=9)]))


def test_the_table_has_a_line_for_every_measure_and_hub() -> None:
    lines = "\n".join(table(Measured([LEFT, replace(LEFT, hub="bird")], [MOVED], [FLAPPED])))
    for one in ("loss 5 % each way", "bird", "drain", "cut and healed every 2 s"):
        assert one in lines


def test_disturbances_stand_apart_and_what_moves_away_is_followed_by_what_goes_back() -> None:
    order = list(in_turns([*DISTURBANCES, *PLANNED]))
    assert sorted(order) == sorted([*DISTURBANCES, *PLANNED])
    at = order.index("drain")
    assert order[at : at + 3] == ["drain", "ExaBGP killed while drained", "undrain"]
    assert order[order.index("switch") + 1] == "unswitch"
    apart = [order.index(one) for one in DISTURBANCES]
    assert all(after - before > 1 for before, after in pairwise(apart))
