"""What is told of a machine that stood still."""

from __future__ import annotations

from chaos_stalls import Stalls


def test_a_stall_is_told_by_its_length_and_time() -> None:
    stalls = Stalls([(1.0, 1.2), (12.5, 12.75)])
    assert stalls.since(10.0) == "the machine stood still for 250 ms at 2.50 s"


def test_no_stall_is_told_too() -> None:
    assert Stalls().since(10.0) == "the machine stood still for no time"
