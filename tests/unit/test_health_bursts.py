"""Bursts of health probes, with a socket that only writes down what it is asked and a clock moved by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from forwarder_fakes import FakeClock, a_tunnel

from hub.forwarder.health.burst import BurstOrder, Bursts
from hub.forwarder.health.measurement import Measurement
from hub.forwarder.liveness.icmp import Answer
from hub.forwarder.liveness.model import TunnelSpec

MS = 1_000_000


class StillClock(FakeClock):
    """A clock of a process that sleeps only when it is told to have slept."""

    slept: tuple[tuple[int, int], ...] = ()

    def stalls_between(self, start: int, end: int) -> list[int]:
        return [until - since for since, until in self.slept if since < end and start < until]


class Echo:
    """A socket; `answer` has the far end answer all that was asked and not answered."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.callbacks: dict[int, Any] = {}
        self.asked: list[tuple[int, str, int, int]] = []
        self.answers_at_once = True

    def join(self, callback: Any) -> int:
        self.callbacks[len(self.callbacks) + 1] = callback
        return len(self.callbacks)

    def part(self, asker: int) -> None:
        self.callbacks[asker] = None

    def ask(self, asker: int, *, source: bytes, destination: str, interface: int, now: int) -> bool:
        self.asked.append((asker, destination, interface, now))
        if self.answers_at_once:
            self.clock.call_at(now + 3 * MS, lambda: self.answer(asker, destination, interface, now))
        return True

    def answer(self, asker: int, destination: str, interface: int, asked: int) -> None:
        if self.callbacks[asker] is not None:
            self.callbacks[asker](Answer(destination, interface, self.clock.now(), asked))

    def drain(self) -> None:
        pass


class Watched:
    def __init__(self, spec: TunnelSpec, interface_index: int) -> None:
        self.spec, self.interface_index, self.lives = spec, interface_index, True


class Scene:
    """Bursts over the tunnels b/1 to b/20, which all answer after 3 ms."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.echo = Echo(self.clock)
        self.counters = Counter[str]()
        self.told: list[dict[str, Any]] = []
        clock: Any = self.clock
        echo: Any = self.echo
        self.overdue: list[str] = []
        self.bursts = Bursts(clock, echo, self.counters, self.told.extend, self.overdue.append)
        self.tunnels = {f"b/{n}": Watched(a_tunnel(f"b/{n}", f"t{n}"), n) for n in range(1, 21)}
        self.measured = {
            name: Measurement(watched, 0, loop=clock, echo=echo, on_overdue=lambda: None)
            for name, watched in self.tunnels.items()
        }
        for each in self.measured.values():
            each.far_end.answered(self.clock.now())
            each.far_end.round_trip.sample(3 * MS)

    def begin(self, tunnel: str, count: int = 50, interval: int = 10 * MS) -> None:
        self.bursts.begin(BurstOrder(tunnel, count, interval), self.measured.get(tunnel))


def test_a_burst_is_told_when_its_last_probe_is_answered() -> None:
    scene = Scene()
    scene.begin("b/1", count=5)
    scene.clock.run(0.042)
    assert scene.told == []
    scene.clock.run(0.002)
    (told,) = scene.told
    assert (told["tunnel"], told["sent"], told["lost"], told["burst"], told["last"]) == ("b/1", 5, 0, True, True)
    assert told["rtt_ms"] == [3.0] * 5
    assert [interface for _, _, interface, _ in scene.echo.asked] == [1] * 5


def test_a_burst_whose_last_probe_is_lost_is_told_when_that_is_known() -> None:
    scene = Scene()
    scene.echo.answers_at_once = False
    scene.begin("b/1", count=5)
    scene.clock.run(0.099)
    assert scene.told == []
    scene.clock.run(0.012)
    assert [(told["sent"], told["lost"]) for told in scene.told] == [(5, 5)]


def test_a_burst_that_loses_says_so_while_it_is_sent_and_what_is_known_can_be_asked_for() -> None:
    scene = Scene()
    scene.echo.answers_at_once = False
    scene.begin("b/1", count=20)
    scene.clock.run(0.059)
    assert scene.overdue == []
    scene.clock.run(0.022)
    assert set(scene.overdue) == {"b/1"}
    (told,) = scene.bursts.news_of("b/1", scene.clock.now())
    assert (told["lost"], told["burst"]) == (told["sent"], True)
    assert scene.bursts.news_of("b/2", scene.clock.now()) == []


def test_a_burst_of_which_not_everything_can_be_known_is_over_all_the_same() -> None:
    scene = Scene()
    scene.echo.answers_at_once = False
    scene.begin("b/1", count=5, interval=5 * MS)
    scene.clock.run(0.001)
    now = scene.clock.now()
    scene.clock.slept = ((now, now + 100 * MS),)
    scene.clock.run(1)
    (told,) = scene.told
    assert (told["sent"], told["lost"], told["last"]) == (0, 0, True)


def test_late_answers_of_a_burst_are_told_by_the_next_reports() -> None:
    scene = Scene()
    scene.echo.answers_at_once = False
    scene.begin("b/1", count=1)
    scene.clock.run(0.2)
    scene.echo.answer(*scene.echo.asked[0])
    (late,) = scene.bursts.report(scene.clock.now())
    assert (late["sent"], late["late_ms"], late["burst"]) == (0, [200.0], True)
    scene.clock.run(4)
    assert scene.bursts.report(scene.clock.now()) == []
    assert scene.echo.callbacks[scene.echo.asked[0][0]] is None


def test_a_tunnel_has_one_burst_at_a_time() -> None:
    scene = Scene()
    for _ in range(3):
        scene.begin("b/1", count=5)
    scene.clock.run(0.042)
    assert len(scene.echo.asked) == 5
    scene.clock.run(1)
    assert len(scene.echo.asked) == 10
    assert scene.counters == {"bursts": 2, "bursts-refused": 1}


def test_who_asks_again_when_a_report_has_told_the_last_fate_is_not_refused() -> None:
    scene = Scene()
    scene.echo.answers_at_once = False
    scene.begin("b/1", count=5)
    scene.clock.run(0.0999)
    scene.clock.time += MS
    assert sum(told["sent"] for told in scene.bursts.report(scene.clock.now())) == 5
    scene.begin("b/1", count=5)
    scene.clock.run(1)
    assert len(scene.echo.asked) == 10


@pytest.mark.parametrize("tunnel", ["b/1", "b/unknown"])
def test_a_tunnel_that_is_not_up_or_not_measured_has_none(tunnel: str) -> None:
    scene = Scene()
    scene.tunnels["b/1"].lives = False
    scene.begin(tunnel)
    scene.clock.run(1)
    assert scene.echo.asked == scene.told == []
    assert scene.counters == {"bursts-refused": 1}


def test_a_burst_ends_where_its_tunnel_dies() -> None:
    scene = Scene()
    scene.begin("b/1", count=50)
    scene.clock.run(0.1)
    scene.tunnels["b/1"].lives = False
    scene.clock.run(1)
    assert [told["sent"] for told in scene.told] == [len(scene.echo.asked)]
    assert len(scene.echo.asked) < 50


def test_many_bursts_send_a_thousand_probes_a_second_and_all_get_their_turn() -> None:
    scene = Scene()
    for tunnel in scene.tunnels:
        scene.begin(tunnel)
    scene.clock.run(3)
    asked = sorted(at for *_, at in scene.echo.asked)
    assert len(asked) == 20 * 50
    assert max(sum(start <= at < start + 100 * MS for at in asked) for start in asked) <= 110
    assert sum(told["sent"] for told in scene.told) == 20 * 50


def test_a_burst_that_waits_begins_when_another_is_sent_and_not_when_its_fates_are_known() -> None:
    scene = Scene()
    scene.echo.answers_at_once = False
    scene.begin("b/1", count=50, interval=MS)
    scene.begin("b/2", count=50, interval=MS)
    scene.clock.run(0.1)
    assert [interface for _, _, interface, _ in scene.echo.asked] == [1] * 50 + [2] * 50


def test_a_burst_of_more_than_that_is_sent_alone() -> None:
    scene = Scene()
    scene.begin("b/1", count=100, interval=MS // 2)
    scene.begin("b/2", count=10)
    scene.clock.run(0.02)
    assert {interface for _, _, interface, _ in scene.echo.asked} == {1}
    scene.clock.run(1)
    assert {interface for _, _, interface, _ in scene.echo.asked} == {1, 2}


def test_a_tunnel_that_is_measured_no_more_has_no_burst_any_more() -> None:
    scene = Scene()
    scene.begin("b/1")
    scene.clock.run(0.1)
    sent = len(scene.echo.asked)
    scene.bursts.forget("b/1")
    scene.clock.run(1)
    assert len(scene.echo.asked) == sent
    assert scene.told == []
