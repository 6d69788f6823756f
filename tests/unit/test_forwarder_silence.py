"""A forwarder that hangs while it is connected is lost, until it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from forwarder_link_rig import GREETING, SNAPSHOT, Refusing, line
from small_network import a_branch, a_network
from waiting import until

from hub.controller.forwarder import ForwarderLink
from hub.controller.silence import Silence
from policies.model.desired import Desired
from policies.model.events import Event, ForwarderConnected, ForwarderLost
from policies.model.view import View


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Stopping(Refusing):
    """A forwarder that can be stopped as by SIGSTOP: what it is told waits, also its connections."""

    def __init__(self) -> None:
        super().__init__()
        self.well = True
        self.goes = asyncio.Event()
        self.connected = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected = True
        await self.goes.wait()
        writer.write(line(GREETING) + line({"snapshot": SNAPSHOT}))
        while said := await reader.readline():
            await self.goes.wait()
            message = json.loads(said)
            self.heard.append(str(message.get("set", message.get("get", "greeting"))))
            if self.heard[-1] == "status":
                writer.write(line({"status": SNAPSHOT}))
        writer.close()


Hanging = Callable[[ForwarderLink, Stopping, Clock, list[Event]], Awaitable[None]]


def hang(tmp_path: Path, scene: Hanging, *, goes: bool = True) -> None:
    """Play a scene with a forwarder that can be stopped."""
    path, events, clock = tmp_path / "forwarder.sock", list[Event](), Clock()

    async def whole() -> None:
        forwarder = Stopping()
        link = ForwarderLink(path, a_network(a_branch()), events.append, clock)
        server = await asyncio.start_unix_server(forwarder, str(path))
        task = asyncio.create_task(link.run())
        if goes:
            forwarder.goes.set()
            await until(lambda: events)
        await asyncio.wait_for(scene(link, forwarder, clock, events), 30)
        forwarder.goes.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await asyncio.sleep(0)

    asyncio.run(whole())


def seconds(link: ForwarderLink, clock: Clock, count: int) -> None:
    """So many seconds of the controller's loop."""
    for _ in range(count):
        link.refresh()
        clock.now += 1.0
    link.refresh()


def test_a_forwarder_that_hangs_is_lost_and_a_problem_until_it_answers(tmp_path: Path) -> None:
    async def scene(link: ForwarderLink, forwarder: Stopping, clock: Clock, events: list[Event]) -> None:
        forwarder.goes.clear()
        seconds(link, clock, 10)
        assert events[1:] == [ForwarderLost()]
        text, mend = link.problems["forwarder"]
        assert "does not answer" in text
        assert "restart it" in mend
        forwarder.goes.set()
        await until(lambda: isinstance(events[-1], ForwarderConnected))
        assert (link.problems, link.error) == ({}, "")
        assert len(events) == 3

    hang(tmp_path, scene)


def test_a_forwarder_that_stops_for_two_seconds_changes_nothing(tmp_path: Path) -> None:
    async def scene(link: ForwarderLink, forwarder: Stopping, clock: Clock, events: list[Event]) -> None:
        forwarder.goes.clear()
        seconds(link, clock, 2)
        forwarder.goes.set()
        await until(lambda: "status" in forwarder.heard)
        assert (len(events), link.problems) == (1, {})

    hang(tmp_path, scene)


def test_nothing_is_written_to_a_forwarder_that_hangs_and_what_changed_is_told_when_it_answers(tmp_path: Path) -> None:
    async def scene(link: ForwarderLink, forwarder: Stopping, clock: Clock, _: list[Event]) -> None:
        await until(lambda: "tunnels" in forwarder.heard)
        forwarder.goes.clear()
        seconds(link, clock, 3)
        for _second in range(100):
            link.reconfigure(a_network())
            link.want(Desired(), View())
            seconds(link, clock, 1)
        forwarder.goes.set()
        await until(lambda: not link.problems)
        link.want(Desired(), View())
        await until(lambda: forwarder.heard[-1:] == ["classes"])
        assert forwarder.heard == ["greeting", "tunnels", "status", "status", "status", "tunnels", "classes"]

    hang(tmp_path, scene)


def test_a_forwarder_that_hangs_already_when_the_controller_comes_is_told(tmp_path: Path) -> None:
    async def scene(link: ForwarderLink, forwarder: Stopping, clock: Clock, events: list[Event]) -> None:
        await until(lambda: forwarder.connected)
        seconds(link, clock, 3)
        assert "does not answer" in link.problems["forwarder"][0]
        forwarder.goes.set()
        await until(lambda: events)
        assert (link.problems, link.error) == ({}, "")

    hang(tmp_path, scene, goes=False)


def test_a_stop_of_the_controller_is_no_silence_of_the_forwarder() -> None:
    silence = Silence(0.0)
    silence.asked()
    assert not silence.is_long(60.0)
    silence.asked()
    silence.asked()
    assert silence.is_long(60.0)
    silence.heard(60.0)
    assert not silence.is_long(61.0)
