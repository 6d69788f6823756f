"""A controller's overrides for tests: control.sock, the keeper, its file, and a view and a time that the test sets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from override_values import NOW
from small_network import a_branch, a_network
from waiting import until

from hub.controller.loop import Loop
from hub.controller.server import ControlServer
from hub.overrides.asks import OverrideAsks
from hub.overrides.counters import Counted
from hub.overrides.keeper import OverridesKeeper
from policies.model.clock import Instant, Now
from policies.model.events import InForceChanged
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import NO_OVERRIDES, Overrides
from policies.model.verdicts import Verdict
from policies.model.view import ClassView, LivenessState, LivenessView, PathSeen, View
from policies.observe import observe

INTENT = a_network(a_branch(), a_branch("solo", number=2))
FIBER, WIRELESS = (TunnelId("bandung", name) for name in ("fiber", "wireless"))
ME = pwd.getpwuid(os.getuid()).pw_name


def forwarded(active: TunnelId) -> ClassView:
    prefixes = INTENT.branches["bandung"].prefixes
    return ClassView("bandung", "bandung", active, (FIBER, WIRELESS), prefixes, 1, Instant(1.0), "")


VIEW = View(
    liveness=dict.fromkeys(INTENT.tunnels(), LivenessView(LivenessState.UP, Instant(10.0))),
    classes={"bandung": forwarded(FIBER)},
    paths={("bandung", 4): PathSeen(FIBER, Instant(1.0), Instant(999.0))},
    forwarder=True,
)


@dataclass
class Believing:
    """A loop's view, at a time that the test sets."""

    view: View = VIEW
    moment: Now = NOW
    intent: Intent = INTENT
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    overrides: Overrides = NO_OVERRIDES

    def now(self) -> Now:
        return self.moment

    def take(self, event: InForceChanged) -> None:
        self.view = observe(self.view, event)

    def later(self, minutes: float) -> None:
        monotonic = Instant(self.moment.monotonic + 60 * minutes)
        self.moment = Now(monotonic, self.moment.wall + timedelta(minutes=minutes))

    def sees_use_of(self, tunnel: TunnelId) -> None:
        seen = PathSeen(tunnel, self.moment.monotonic, self.moment.monotonic)
        self.view = replace(self.view, classes={"bandung": forwarded(tunnel)}, paths={("bandung", 4): seen})


class Counting:
    """Counters that the test sets."""

    def __init__(self) -> None:
        self.watched: frozenset[TunnelId] = frozenset()
        self.told: dict[TunnelId, Counted] = {}

    def watch(self, tunnels: Collection[TunnelId]) -> None:
        self.watched = frozenset(tunnels)

    def counted(self, tunnel: TunnelId) -> Counted | None:
        return self.told.get(tunnel)


@dataclass
class Rig:
    """A control server with its keeper, and what was logged."""

    place: Path
    core: Believing = field(default_factory=Believing)
    counting: Counting | None = None
    said: list[str] = field(default_factory=list)
    keeper: OverridesKeeper | None = None

    @property
    def file(self) -> Path:
        return self.place / "controller.db"

    async def ask(self, ask: str, **more: object) -> Any:
        reader, writer = await asyncio.open_unix_connection(str(self.place / "control.sock"))
        writer.write(json.dumps({"ask": ask, **more}).encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return answer

    async def told(self, ask: str, **more: object) -> Any:
        answer = await self.ask(ask, **more)
        assert "answer" in answer, answer
        return answer["answer"]

    async def refused(self, ask: str, **more: object) -> str:
        before = self.core.overrides
        answer = await self.ask(ask, **more)
        assert "error" in answer, answer
        assert self.core.overrides == before
        return str(answer["error"])

    async def standing(self) -> list[str]:
        listed = await self.told("overrides")
        return [f"{one['number']} {one['kind']} {one['target']}".strip() for one in listed["overrides"]]

    def play(self, *scenes: Callable[[], Awaitable[None]]) -> None:
        """Each scene with a controller that was started anew."""
        for scene in scenes:
            asyncio.run(self._played(scene))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A controller beside the test, in a thread."""
        ready, over = threading.Event(), threading.Event()

        async def scene() -> None:
            ready.set()
            await until(over.is_set)

        thread = threading.Thread(target=self.play, args=(scene,))
        thread.start()
        try:
            assert ready.wait(20)
            yield
        finally:
            over.set()
            thread.join()

    async def _played(self, scene: Callable[[], Awaitable[None]]) -> None:
        self.core.overrides, self.core.view = NO_OVERRIDES, replace(self.core.view, in_force={}, undrained={})
        self.keeper = keeper = OverridesKeeper(self.file, self.core, self.said.append, self.counting)
        asks = OverrideAsks(keeper, self.core)
        path = self.place / "control.sock"
        server = ControlServer(path, cast("Loop", self.core), None, self.said.append, asks)
        await keeper.start()
        tasks = [asyncio.create_task(server.run()), asyncio.create_task(keeper.run())]
        try:
            await until(path.exists)
            await asyncio.wait_for(scene(), 60)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            path.unlink(missing_ok=True)
