"""A step of the controller's loop that fails is a problem until the same step goes well again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from small_network import a_branch, a_network

from hub.controller.loop import Loop
from hub.controller.record import Record
from policies.model.clock import Instant
from policies.model.events import Event, SamplesTaken
from policies.model.health import Samples
from policies.model.ids import TunnelId

INTENT = a_network(a_branch())
FIBER, WIRELESS = (tunnel.id for tunnel in INTENT.branches["bandung"].tunnels)


class Scene:
    """A loop whose health fails for some tunnels, and what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.record = Record()
        monkeypatch.setattr(self.record, "say", self.said.append)
        self.loop = Loop(INTENT, self.record, "/etc/pointsman")
        self.broken: set[TunnelId] = set()
        self.looks = True
        monkeypatch.setattr(self.loop.health, "heard", self._heard)
        monkeypatch.setattr(self.loop.health, "look", self._look)

    def _heard(self, event: Event, _now: Instant) -> None:
        if isinstance(event, SamplesTaken) and event.samples.keys() & self.broken:
            raise ValueError("a window without an end")

    def _look(self, _now: Instant) -> None:
        if not self.looks:
            raise ValueError("nothing to look at")

    async def hear(self, *tunnels: TunnelId) -> None:
        self.loop.take(SamplesTaken({t: (Samples(Instant(1.0), Instant(2.0), 5, 0),) for t in tunnels}))
        for _ in range(5):
            await asyncio.sleep(0)

    def look(self) -> None:
        cast("Any", self.loop)._contained("health", cast("Any", self.loop)._look_at_health, "look")

    @property
    def problems(self) -> list[str]:
        return [text for text, _ in self.loop.problems.values()]


def run(monkeypatch: pytest.MonkeyPatch, play: Callable[[Scene], Awaitable[None]]) -> None:
    async def whole() -> None:
        await play(Scene(monkeypatch))

    asyncio.run(whole())


def test_a_failure_is_a_problem_until_the_same_tunnel_is_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(scene: Scene) -> None:
        scene.broken = {FIBER}
        await scene.hear(FIBER, WIRELESS)
        assert scene.problems == ["health: ValueError: a window without an end; what was judged before stands"]
        scene.broken = set()
        await scene.hear(WIRELESS)
        assert len(scene.problems) == 1
        await scene.hear(FIBER)
        assert scene.problems == []

    run(monkeypatch, play)


def test_samples_that_go_well_hide_no_failure_of_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(scene: Scene) -> None:
        scene.looks = False
        scene.look()
        await scene.hear(FIBER)
        assert len(scene.problems) == 1
        scene.looks = True
        scene.look()
        assert scene.problems == []

    run(monkeypatch, play)


def test_a_failure_that_goes_on_is_said_once_and_counted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(scene: Scene) -> None:
        scene.broken = {FIBER, WIRELESS}
        for _ in range(3):
            await scene.hear(FIBER, WIRELESS)
        assert len(scene.problems) == 1
        assert len([text for text in scene.said if "a window without an end" in text]) == 1
        assert scene.record.counters["health failed"] == 6

    run(monkeypatch, play)


def test_a_failure_of_a_tunnel_that_goes_is_no_problem_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(scene: Scene) -> None:
        scene.broken = {FIBER}
        await scene.hear(FIBER)
        scene.loop.reconfigure(a_network())
        assert scene.problems == []

    run(monkeypatch, play)
