"""How busy the machine is, by what /proc/stat says twice."""

from __future__ import annotations

import pytest

from hub.lab.processors import processor_ticks, processor_use

FIRST = "cpu  100 10 50 800 40 0 0 0 7 7\ncpu0 1 2 3 4 5 6 7 8\n"


def test_waiting_for_a_disk_is_not_work_and_guests_do_not_count_twice() -> None:
    assert processor_ticks(FIRST) == (160, 1000)


@pytest.mark.parametrize(
    ("then", "use"),
    [
        ("cpu  150 10 50 850 40 0 0 0 7 7\n", 0.5),
        ("cpu  100 10 50 800 40 0 0 100 7 7\n", 1.0),  # taken by others of the same host
        ("cpu  100 10 50 900 40 0 0 0 7 7\n", 0.0),
        (FIRST, 0.0),
    ],
)
def test_the_share_is_of_what_passed_since(then: str, use: float) -> None:
    assert processor_use(processor_ticks(FIRST), processor_ticks(then)) == use
