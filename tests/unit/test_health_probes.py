"""Health probes over all tunnels: when they are sent, at which rate, and what is told of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from forwarder_fakes import a_tunnel
from test_health_bursts import Echo, StillClock, Watched

from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.health.probes import REPORT, HealthProbes
from hub.forwarder.liveness.icmp import Answer
from hub.forwarder.liveness.model import ProbeRate, Timers

MS = 1_000_000
RATE = ProbeRate(100 * MS, 1000 * MS)


class Scene:
    """So many tunnels that live and answer after 3 ms."""

    def __init__(self, count: int = 1, rate: ProbeRate | None = RATE, liveness: Timers | None = None) -> None:
        self.clock = StillClock()
        self.echo = Echo(self.clock)
        self.told: list[list[dict[str, Any]]] = []
        self.problems: list[tuple[str, str | None]] = []
        clock: Any = self.clock
        echo: Any = self.echo
        self.probes = HealthProbes(clock, echo, Counter(), self.told.append, self._problem)
        timers = liveness or Timers("bfd", 50 * MS, 3)
        self.tunnels = [
            Watched(replace(a_tunnel(f"b/{n}", f"t{n}"), probe=rate, active=timers, idle=timers), n)
            for n in range(1, count + 1)
        ]
        self.probes.set_tunnels(self.tunnels)

    def _problem(self, key: str, text: str | None, mend: str | None) -> None:
        self.problems.append((key, text))

    def run(self, seconds: float) -> list[int]:
        """When probes were sent in the next so many seconds."""
        self.echo.asked.clear()
        self.clock.run(seconds)
        return [now for *_, now in self.echo.asked]

    def sum(self, key: str) -> int:
        return sum(one[key] for line in self.told for one in line)


def gaps(instants: list[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise(instants)]


def test_the_first_probes_of_many_tunnels_are_spread_over_the_interval() -> None:
    assert gaps(Scene(10).run(0.95)) == [100 * MS] * 9


def test_tunnels_that_become_faster_together_stay_spread() -> None:
    scene = Scene(10)
    scene.run(5.04)
    scene.probes.set_carrying(frozenset(watched.spec.name for watched in scene.tunnels))
    scene.run(0.2)
    sent = scene.run(1)
    assert set(gaps(sent)) == {10 * MS}
    assert {interface for _, _, interface, _ in scene.echo.asked} == set(range(1, 11))


def test_a_tunnel_is_probed_more_often_while_it_carries() -> None:
    scene = Scene()
    assert gaps(scene.run(3)) == [1000 * MS] * 3
    scene.probes.set_carrying(frozenset({"b/1"}))
    scene.run(0.2)
    assert set(gaps(scene.run(1))) == {100 * MS}
    scene.probes.set_carrying(frozenset())
    scene.run(1)
    assert set(gaps(scene.run(3))) == {1000 * MS}


def test_a_tunnel_without_a_rate_or_that_is_gone_is_not_probed() -> None:
    assert Scene(rate=None).run(3) == []
    scene = Scene()
    scene.run(1)
    scene.probes.set_tunnels([])
    assert scene.run(3) == []


def test_a_rate_that_is_told_anew_does_not_disturb_what_is_measured() -> None:
    scene = Scene()
    scene.run(1)
    scene.tunnels[0].spec = replace(scene.tunnels[0].spec, probe=ProbeRate(50 * MS, 200 * MS))
    scene.probes.set_tunnels(scene.tunnels)
    assert set(gaps(scene.run(2))) == {200 * MS}
    assert scene.probes._measurements["b/1"].far_end.answers


def test_what_seems_lost_is_told_with_the_next_probe_and_then_every_twentieth_of_a_second() -> None:
    scene = Scene(rate=ProbeRate(20 * MS, 20 * MS))
    scene.run(2)
    scene.echo.answers_at_once = False
    scene.run(REPORT / 1e9)  # what is told next is told out of turn, or a quarter of a second later
    scene.told.clear()
    scene.run(1)
    assert len(scene.told) == pytest.approx(1000 / 60 + 4, abs=4)
    assert scene.sum("lost") == pytest.approx(50, abs=4)


def test_what_became_known_is_told_every_quarter_of_a_second_and_nothing_where_there_is_no_news() -> None:
    scene = Scene(rate=ProbeRate(100 * MS, 100 * MS))
    scene.run(2)
    assert len(scene.told) == pytest.approx(2000 * MS / REPORT, abs=1)
    assert scene.sum("sent") == pytest.approx(20, abs=3)
    assert scene.sum("lost") == 0
    scene.tunnels[0].lives = False
    scene.run(1)
    scene.told.clear()
    scene.run(2)
    assert scene.told == []


def test_many_tunnels_are_told_in_lines_of_some() -> None:
    scene = Scene(100, ProbeRate(100 * MS, 100 * MS))
    scene.run(1)
    scene.told.clear()
    scene.run(REPORT / 1e9)
    assert [len(line) for line in scene.told] == [40, 40, 20]


def test_echoes_of_liveness_count_where_they_are_as_frequent() -> None:
    scene = Scene(liveness=Timers("icmp", 1000 * MS, 3))
    for _ in range(5):
        scene.probes.asked("b/1", now := scene.clock.now())
        scene.clock.run(0.003)
        scene.probes.answered("b/1", Answer("10.255.0.1", 1, scene.clock.now(), now))
        scene.clock.run(0.997)
    assert scene.echo.asked == []
    assert scene.sum("sent") == pytest.approx(5, abs=1)


def test_an_echo_that_is_under_way_when_the_rate_changes_is_not_lost() -> None:
    scene = Scene(rate=ProbeRate(100 * MS, 1000 * MS), liveness=Timers("icmp", 1000 * MS, 3))
    measured = scene.probes._measurements["b/1"]
    measured.far_end.answered(scene.clock.now())
    scene.probes.asked("b/1", now := scene.clock.now())
    scene.probes.set_carrying(frozenset({"b/1"}))
    scene.clock.run(0.003)
    scene.probes.answered("b/1", Answer("10.255.0.1", 1, scene.clock.now(), now))
    scene.run(3)
    assert scene.sum("lost") == 0


def test_where_liveness_is_slower_probes_are_sent_and_its_echoes_do_not_count() -> None:
    scene = Scene(liveness=Timers("icmp", 1001 * MS, 3))
    scene.probes.asked("b/1", scene.clock.now())
    scene.clock.run(4.5)
    assert len(scene.echo.asked) == 5
    assert scene.sum("lost") == 0


def test_a_far_end_that_answers_no_echo_is_a_problem_until_it_does_or_its_tunnel_is_gone() -> None:
    scene = Scene(rate=ProbeRate(100 * MS, 100 * MS))
    scene.echo.answers_at_once = False
    scene.run(10)
    ((key, text),) = scene.problems
    assert (key, scene.sum("sent")) == ("health:b/1", 0)
    assert "10.255.0.1 answers no ICMP echo" in str(text)
    scene.echo.answers_at_once = True
    scene.run(1)
    assert scene.problems[1:] == [("health:b/1", None)]


def test_a_burst_needs_a_tunnel_that_is_measured() -> None:
    scene = Scene(rate=None)
    scene.probes.burst(BurstOrder("b/1", 50, 10 * MS))
    assert scene.run(1) == []
