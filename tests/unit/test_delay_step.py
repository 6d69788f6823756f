"""A round trip that becomes longer in one step: what looks like a death is taken back when late answers come."""

from __future__ import annotations

import pytest
from delayed_line import MS, Clock, Tunnel, run, two_tunnels


def states(tunnel: Tunnel) -> list[tuple[str, bool]]:
    return [(state, hard) for _, state, hard, _ in tunnel.reports]


def lasted(tunnel: Tunnel) -> float:
    """Milliseconds between a death and the return."""
    (died, *_), (back, *_) = tunnel.reports
    return back - died


def cut(clock: Clock, tunnel: Tunnel, milliseconds: float) -> None:
    tunnel.line.cut = True
    clock.run(milliseconds / 1000)
    tunnel.line.cut = False


def test_both_ways_longer_by_75_ms_is_a_soft_death_until_the_late_answers_come() -> None:
    clock, fiber, wireless = two_tunnels()
    fiber.line.out += 75 * MS
    fiber.line.back += 75 * MS
    run(clock, 5)
    assert states(fiber) == [("down", False), ("up", True)]
    assert fiber.reports[1][3] == "answered late: the probes were not lost"
    assert lasted(fiber) < 151
    assert not wireless.reports
    assert fiber.counters["confirmations-taken-back"] == 1


@pytest.mark.parametrize("rise", [2, 5, 10], ids=lambda ms: f"{ms} ms each way")
def test_a_smaller_step_is_no_death_where_a_packet_still_comes_in_time(rise: int) -> None:
    clock, fiber, _ = two_tunnels()
    fiber.line.out += rise * MS
    fiber.line.back += rise * MS
    run(clock, 5)
    assert not fiber.reports


def test_a_longer_way_to_the_branch_only_is_never_missed() -> None:
    clock, fiber, _ = two_tunnels()
    fiber.line.out += 150 * MS
    run(clock, 5)
    assert not fiber.reports


def test_a_way_back_that_is_longer_by_the_detection_time_is_a_death_by_bfd_itself() -> None:
    clock, fiber, _ = two_tunnels()
    fiber.line.back += 150 * MS
    run(clock, 5)
    assert states(fiber) == [("down", False), ("down", True), ("up", True)]


def test_a_true_death_is_found_as_soon_as_ever() -> None:
    clock, fiber, _ = two_tunnels()
    began = clock.now() / MS
    cut(clock, fiber, 5000)
    assert states(fiber) == [("down", False), ("down", True)]
    assert fiber.reports[0][0] - began < 70


def test_what_was_lost_in_a_short_cut_is_not_taken_for_late() -> None:
    clock, fiber, _ = two_tunnels()
    cut(clock, fiber, 100)
    run(clock, 5)
    assert states(fiber) == [("down", False), ("up", True)]
    assert fiber.reports[1][3] == "answers again"
    assert lasted(fiber) > 1000


def test_soon_after_the_step_a_lost_packet_changes_nothing() -> None:
    clock, fiber, _ = two_tunnels()
    fiber.line.out += 75 * MS
    fiber.line.back += 75 * MS
    run(clock, 2)
    before = list(fiber.reports)
    for _ in range(15):
        cut(clock, fiber, 40)
        run(clock, 0.5)
    assert fiber.reports == before
    assert fiber.counters["confirmations-begun"] > 5


def test_a_line_that_stalls_again_and_again_is_taken_back_once_and_then_has_to_answer_steadily() -> None:
    clock, fiber, _ = two_tunnels()
    for _ in range(6):
        fiber.line.out += 80 * MS
        fiber.line.back += 80 * MS
        run(clock, 0.4)
        fiber.line.out -= 80 * MS
        fiber.line.back -= 80 * MS
        run(clock, 0.4)
    assert fiber.counters["confirmations-taken-back"] == 1
    assert len(fiber.reports) <= 4
