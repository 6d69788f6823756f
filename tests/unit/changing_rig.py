"""A controller that applies configurations, through several lives, with a loop and an ExaBGP that are pretended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from config_directories import ALLOCATIONS, BANDUNG, written
from small_network import moment

from hub.bgp.reload import Outcome, nothing_more
from hub.control.places import Places
from hub.controller import ending as ending_module
from hub.controller import leaving as leaving_module
from hub.controller.changing import Changing
from hub.controller.main import first, read_of
from hub.controller.signs import TunnelSigns
from hub.controller.tunnel_changes import NOBODYS, TunnelChanges
from hub.lab_overrides import LabOverrides
from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import ClassView, LivenessState, LivenessView, View
from policies.transition import Transition

MakeTunnels = Callable[[Any, Callable[[str], None]], TunnelChanges]

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
ONLY_WIRELESS = BANDUNG.replace("  fiber:    {isp: telkom}\n", "")
TEGAL = BANDUNG.replace("65001", "65002").replace("10.1.0.0", "10.2.0.0")
WITH_TEGAL = ALLOCATIONS + (
    "tegal/fiber: {to: telkom, link: 10.255.0.4/31, port: 51002}\n"
    "tegal/wireless: {to: biznet, link: 10.255.0.6/31, port: 51003}\n"
)


@dataclass
class FakeLoop:
    """The loop's intent and view, as the tests set them."""

    intent: Intent
    view: View
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    health: Any = field(default_factory=type("Unmeasured", (), {"memories": {}}))
    signs: TunnelSigns = field(default_factory=TunnelSigns)

    def now(self) -> Now:
        return moment(time.monotonic())


class FakeNeighbors:
    """ExaBGP takes whatever it is given."""

    def __init__(self, loop: FakeLoop) -> None:
        self._loop = loop
        self.taken: list[Intent] = []
        self.outcome = Outcome()

    async def take(self, intent: Intent, on_valid: Callable[[], Awaitable[None]] = nothing_more) -> Outcome:
        if self.outcome.taken:
            await on_valid()
            self._loop.intent = intent
            self.taken.append(intent)
        return self.outcome


class Scene:
    """A Scene is a controller's Changing, from its start on, in a directory."""

    def __init__(self, places: Places, tunnels: MakeTunnels | None = None) -> None:
        started = first(places, LabOverrides())
        assert started is not None
        self.started: Transition = started
        self.places = places
        self.loop = FakeLoop(started.interim, on(FIBER))
        self.neighbors = FakeNeighbors(self.loop)
        self.said: list[str] = []
        record = cast("Any", type("Said", (), {"say": lambda _, text: self.said.append(text)})())
        parts = (cast("Any", self.loop), cast("Any", self.neighbors), record)
        made = NOBODYS if tunnels is None else tunnels(cast("Any", self.loop), self.said.append)
        read = read_of(places, LabOverrides())
        self.changing = Changing(places.config, places.state, read, *parts, started, tunnels=made)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.places.config / "branches" / f"{name}.yaml").write_text(text)

    async def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, self.said
            await asyncio.sleep(0.01)


def on(tunnel: TunnelId, *, forwarder: bool = True, speakers: frozenset[int] = frozenset({1})) -> View:
    """Both tunnels of bandung live, and the hub sends over this one."""
    up = LivenessView(LivenessState.UP, Instant(1.0))
    carried = ClassView("bandung", "bandung", tunnel, (tunnel,), (), 1, Instant(1.0), "")
    return View({FIBER: up, WIRELESS: up}, classes={"bandung": carried}, forwarder=forwarder, speakers=speakers)


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than a test has time for."""
    monkeypatch.setattr(ending_module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(leaving_module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(ending_module, "LEAVE_WITHIN", 0.05)


def places_in(directory: Path) -> Places:
    """The right configuration in a directory, with room for state and sockets beside it."""
    written(directory / "config", {})
    return Places(directory / "config", directory / "run", directory / "state")


def play(places: Places, *scenes: Callable[[Scene], Awaitable[None]]) -> None:
    """One life of a controller after the other; each ends without a word, as by SIGKILL."""

    async def life(scene: Callable[[Scene], Awaitable[None]]) -> None:
        made = Scene(places)
        task = asyncio.create_task(made.changing.run())
        await asyncio.wait_for(scene(made), 30)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for scene in scenes:
        asyncio.run(life(scene))


async def leave_fiber(scene: Scene) -> None:
    """Apply a configuration without bandung/fiber, which still carries the branch."""
    scene.write(bandung=ONLY_WIRELESS)
    applied = await scene.changing.apply(None, force=False)
    assert applied.waiting == ("bandung/fiber",)
