"""A controller that watches for confirmations, through several lives on one pair of clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from changing_rig import Scene, without_waiting
from config_directories import BANDUNG

from hub.control.places import Places
from hub.controller import confirming as confirming_module
from hub.controller.change_asks import ChangeAsks
from hub.controller.confirming import Confirming
from policies.model.clock import Instant, Now

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
OTHER = BANDUNG.replace("65001", "65009")
"""Restarts the sessions and moves nobody."""


@dataclass
class Clock:
    """Both clocks of the machine, over all lives of its controllers."""

    wall: datetime = START
    monotonic: float = 1000.0

    def now(self) -> Now:
        return Now(Instant(self.monotonic), self.wall)

    def pass_by(self, time: timedelta) -> None:
        self.wall += time
        self.monotonic += time.total_seconds()


class Waiting(Scene):
    """A Waiting is a controller that also watches for confirmations."""

    def __init__(self, places: Places, clock: Clock) -> None:
        super().__init__(places)
        self.clock = clock
        cast("Any", self.loop).now = clock.now
        record = cast("Any", type("Said", (), {"say": lambda _, text: self.said.append(text)})())
        self.confirming = Confirming(self.changing, cast("Any", self.loop), record)
        self.asks = ChangeAsks(self.changing, self.confirming)

    async def ask(self, **message: Any) -> dict[str, Any]:
        answer = await self.asks.answer(message, 0)
        found: dict[str, Any] = answer.get("answer", answer)
        return found

    async def some_looks(self) -> None:
        """Long enough for the watch to have acted, if it meant to."""
        for _ in range(5):
            await asyncio.sleep(0.02)

    @property
    def asn(self) -> int:
        return self.loop.intent.branches["bandung"].asn

    @property
    def kept(self) -> Any:
        return self.confirming.report()


Life = Callable[[Waiting], Awaitable[None]]


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than a test has time for."""
    without_waiting(monkeypatch)
    monkeypatch.setattr(confirming_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(confirming_module, "FILES_SECONDS", 0.0)


def live(places: Places, *lives: Life, clock: Clock | None = None, down: timedelta = timedelta()) -> None:
    """One life of a controller after the other, each killed at its end; `down` is the time between two."""
    clock = clock or Clock()

    async def one(life: Life) -> None:
        made = Waiting(places, clock)
        tasks = [asyncio.create_task(part.run()) for part in (made.changing, made.confirming)]
        await asyncio.wait_for(life(made), 60)
        broken = [task.exception() for task in tasks if task.done()]
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert broken == []

    for life in lives:
        asyncio.run(one(life))
        clock.pass_by(down)


async def applied(scene: Waiting) -> None:
    """Another AS for bandung is in force, to be confirmed within 5 minutes."""
    scene.write(bandung=OTHER)
    answer = await scene.ask(ask="apply", confirm_within="5m")
    assert answer["configuration"]["confirm"] == {"until": "2026-11-21T12:05:00+00:00", "within": 300.0, "left": 300.0}
    assert answer["configuration"]["by"] == "root"
    assert scene.asn == 65009


async def nothing_but_awaited(scene: Waiting) -> None:
    await scene.some_looks()
    assert scene.kept["confirm"] is not None
    assert scene.asn == 65009


async def is_back(scene: Waiting) -> None:
    await scene.until(lambda: scene.asn == 65001)
    assert scene.kept["confirm"] is None
