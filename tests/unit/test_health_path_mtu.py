"""Which size of packets passes, against paths that pass up to a size, lose some, or answer nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarder.health.path_mtu import SMALLEST, TRIES, find
from policies.model.path_mtu import PathMtu


class Path:
    """A path that passes packets up to `passes` bytes; the numbers in `lost` are the ones that it loses besides."""

    def __init__(self, passes: int, lost: Sequence[int] = ()) -> None:
        self.largest, self.lost = passes, set(lost)
        self.asked: list[int] = []

    def __call__(self, size: int) -> bool:
        self.asked.append(size)
        return size <= self.largest and len(self.asked) - 1 not in self.lost


def test_a_path_that_passes_all_is_asked_once() -> None:
    path = Path(1500)
    assert find(1420, None, path) == PathMtu(1420, ok=True)
    assert path.asked == [1420]


@pytest.mark.parametrize("lost", [(0,), (0, 2), (0, 1), (0, 2, 4, 5)])
def test_a_lost_packet_is_no_path_that_is_too_small(lost: tuple[int, ...]) -> None:
    assert find(1420, None, Path(1500, lost)).ok is not False


@given(st.integers(SMALLEST, 1419))
def test_the_largest_that_passes_is_found_with_few_packets(largest: int) -> None:
    path = Path(largest)
    assert find(1420, None, path) == PathMtu(1420, ok=False, works=largest, looks=1)
    assert len(path.asked) <= 2 * TRIES + 20


def test_what_worked_before_is_tried_first() -> None:
    path = Path(1380)
    before = PathMtu(1420, ok=False, works=1380, looks=3)
    assert find(1420, before, path) == PathMtu(1420, ok=False, works=1380, looks=4)
    assert len(path.asked) == 2 * TRIES + 3
    assert find(1420, before, Path(1300)).works == 1300
    assert find(1420, before, Path(1400)).works == 1400


def test_a_far_end_that_answers_nothing_says_nothing_of_sizes() -> None:
    assert find(1420, None, Path(0)) == PathMtu(1420, ok=None)


def test_looks_that_say_the_same_are_counted_until_packets_pass_or_the_size_is_another() -> None:
    before = PathMtu(1420, ok=False, works=1380, looks=3)
    assert find(1420, before, Path(1500)) == PathMtu(1420, ok=True)
    assert find(1500, before, Path(1400)).looks == 1
