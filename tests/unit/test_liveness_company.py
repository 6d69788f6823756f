"""Witnesses of a branch, and tunnels that fall silent together."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hub.forwarder.liveness.company import Company
from hub.forwarder.liveness.model import Timers, TunnelSpec

MS = 1_000_000


@dataclass
class Tunnel:
    """A tunnel as others see it."""

    spec: TunnelSpec
    heard_at: int | None = 0
    answered_at: int | None = None
    answers_within: int = 0
    interval: int = 50 * MS
    lives: bool = True
    asked: list[int] = field(default_factory=list)

    def probe(self, now: int) -> None:
        self.asked.append(now)


def tunnel(name: str, isp: str = "telkom", uplink: str = "one", heard_at: int | None = 0, **more: bool) -> Tunnel:
    timers = Timers("bfd", 50 * MS, 3)
    spec = TunnelSpec(name, name.partition("/")[0], "i", "10.9.0.0", "10.9.0.1", isp, uplink, timers, timers)
    return Tunnel(spec, heard_at, **more)


def company(*tunnels: Tunnel) -> Company:
    return Company(lambda: tunnels, lambda branch: [t for t in tunnels if t.spec.branch == branch])


def test_the_live_tunnels_of_the_branch_are_its_witnesses() -> None:
    fiber, wireless = tunnel("a/fiber"), tunnel("a/wireless", heard_at=7)
    dead, other = tunnel("a/lte", heard_at=9, lives=False), tunnel("b/fiber", heard_at=9)
    everyone = company(fiber, wireless, dead, other)
    assert everyone.witness(fiber, 13 * MS) == (7, "a/wireless")
    everyone.ask_witnesses(fiber, 5)
    assert [t.asked for t in (fiber, wireless, dead, other)] == [[], [5], [], []]


def test_a_tunnel_alone_has_no_witness() -> None:
    fiber = tunnel("a/fiber")
    assert company(fiber, tunnel("a/lte", heard_at=None)).witness(fiber, 13 * MS) == (None, "")


@pytest.mark.parametrize(
    ("answers_within", "at"),
    [(1 * MS, None), (13 * MS, None), (14 * MS, 9), (0, 9)],
    ids=["quick", "just quick enough", "too slow to answer in time", "not known"],
)
def test_a_witness_that_can_answer_in_time_must(answers_within: int, at: int | None) -> None:
    fiber, wireless = tunnel("a/fiber"), tunnel("a/wireless", heard_at=9)
    wireless.answers_within = answers_within
    assert company(fiber, wireless).witness(fiber, 13 * MS)[0] == at
    wireless.answered_at = 11
    assert company(fiber, wireless).witness(fiber, 13 * MS)[0] == (11 if at is None else 9)


@pytest.mark.parametrize(
    ("isp", "uplink", "heard_at", "suspicious"),
    [
        ("indosat", "two", 10 * MS, True),
        ("indosat", "one", 10 * MS, False),
        ("telkom", "two", 10 * MS, False),
        ("", "two", 10 * MS, False),
        ("indosat", "two", 70 * MS, False),
        ("indosat", "two", -80 * MS, False),
        ("indosat", "two", None, False),
    ],
)
def test_only_unlike_tunnels_silent_since_the_same_moment_point_to_the_hub(
    isp: str, uplink: str, heard_at: int | None, suspicious: bool
) -> None:
    fiber, other = tunnel("a/fiber"), tunnel("b/wireless", isp, uplink, heard_at)
    assert company(fiber, other).unlike_is_silent(fiber, 100 * MS) is suspicious


def test_a_tunnel_whose_next_packet_is_not_due_is_not_silent() -> None:
    fiber, other = tunnel("a/fiber"), tunnel("b/wireless", "indosat", "two", 49 * MS)
    assert not company(fiber, other).unlike_is_silent(fiber, 100 * MS)
    assert company(fiber, other).unlike_is_silent(fiber, 101 * MS)
