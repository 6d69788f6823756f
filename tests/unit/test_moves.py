"""A planned move, step by step: told, seen, moved; or taken back."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from small_network import a_branch

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.view import PathSeen, View
from policies.moves import RETRY_AFTER, SEE_DEADLINE, TELL_DEADLINE, Move, Step, advance, blocked_until

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
START = Instant(100.0)


def seeing(tunnel: TunnelId, since: float, at: float) -> View:
    return View(paths={("bandung", 4): PathSeen(tunnel, Instant(since), Instant(at))})


def step(move: Move | None, view: View, now: float, *, told: bool = True) -> Step:
    return advance(move, FIBER, a_branch(), view, Instant(now), told=told).step


TOLD = Move(FIBER, START, told=START)


def test_it_waits_until_the_better_value_was_sent() -> None:
    assert step(None, seeing(FIBER, 90.0, 101.0), 101.0, told=False) is Step.TELLING


def test_the_branch_has_its_time_from_when_it_was_told() -> None:
    waiting, late = Move(FIBER, START), START + SEE_DEADLINE.total_seconds() + 1
    assert step(waiting, seeing(WIRELESS, 90.0, late), late, told=False) is Step.TELLING
    assert step(waiting, seeing(WIRELESS, 90.0, late), late) is Step.SEEING


def test_what_cannot_be_told_is_taken_back() -> None:
    late = START + TELL_DEADLINE.total_seconds() + 1
    assert step(Move(FIBER, START), seeing(WIRELESS, 90.0, late), late, told=False) is Step.TAKEN_BACK


def test_it_waits_while_the_branch_is_seen_elsewhere() -> None:
    assert step(TOLD, seeing(WIRELESS, 90.0, 100.1), 100.1) is Step.SEEING


def test_one_answer_is_not_enough() -> None:
    assert step(TOLD, seeing(FIBER, 100.1, 100.1), 100.1) is Step.SEEING


def test_two_answers_on_the_new_tunnel_move_the_hub() -> None:
    assert step(TOLD, seeing(FIBER, 100.1, 100.2), 100.2) is Step.MOVING


def test_an_answer_from_before_it_was_told_proves_nothing() -> None:
    assert step(TOLD, seeing(FIBER, 90.0, 99.9), 100.2) is Step.SEEING


def test_a_branch_that_never_answers_is_moved_blind_after_a_wait() -> None:
    assert step(TOLD, View(), 100.5) is Step.SEEING
    assert step(TOLD, View(), 101.5) is Step.BLIND


def test_a_branch_that_does_not_follow_is_taken_back_and_tried_again_later() -> None:
    late = START + SEE_DEADLINE.total_seconds() + 0.1
    progress = advance(TOLD, FIBER, a_branch(), seeing(WIRELESS, 90.0, late), Instant(late), told=True)
    assert progress.step is Step.TAKEN_BACK
    assert blocked_until(progress.move, FIBER, Instant(late + 1)) is not None
    assert blocked_until(progress.move, FIBER, Instant(late + RETRY_AFTER.total_seconds() + 1)) is None


BOTH = replace(a_branch(), prefixes=(ip_network("10.1.0.0/24"), ip_network("2001:db8:1::/48")))


def both_seen(ipv4: TunnelId, ipv6: TunnelId, at: float) -> View:
    since = Instant(at - 0.05)
    return View(
        paths={("bandung", 4): PathSeen(ipv4, since, Instant(at)), ("bandung", 6): PathSeen(ipv6, since, Instant(at))}
    )


def test_a_branch_of_two_ip_versions_has_moved_when_both_have() -> None:
    half = advance(TOLD, FIBER, BOTH, both_seen(FIBER, WIRELESS, 100.2), Instant(100.2), told=True)
    whole = advance(TOLD, FIBER, BOTH, both_seen(FIBER, FIBER, 100.2), Instant(100.2), told=True)
    assert (half.step, whole.step) == (Step.SEEING, Step.MOVING)


def test_an_ip_version_that_never_answers_does_not_hold_up_the_other_for_ever() -> None:
    def at(now: float) -> Step:
        view = View(paths={("bandung", 4): PathSeen(FIBER, Instant(100.1), Instant(now))})
        return advance(TOLD, FIBER, BOTH, view, Instant(now), told=True).step

    assert (at(100.5), at(101.5)) == (Step.SEEING, Step.MOVING)
