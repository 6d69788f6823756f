"""A controller's side of BGP: a speaker, all that it told, and scenes that wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from bgp_bench import Bench

from hub.bgp.speakers import Speakers
from policies.model.announcement import Announcement
from policies.model.events import Event
from policies.model.ids import TunnelId
from policies.model.intent import Intent

FIBER, WIRELESS = TunnelId("b1", "fiber"), TunnelId("b1", "wireless")
HUB = IPv4Network("10.0.0.0/16")
OWN, OWN6 = IPv4Network("10.1.0.0/24"), IPv6Network("2001:db8:1::/48")


class Controller:
    """A Controller is a speaker, and the record of all that it told."""

    def __init__(self, made: Bench, intent: Intent | None = None) -> None:
        self.events: list[Event] = []
        self.speaker = Speakers(intent or made.intent, made.places.relay_socket, self.events.append, time.monotonic)
        self._task = asyncio.create_task(self.speaker.run())

    def want(self, fiber: int, wireless: int, *, urgent: frozenset[TunnelId] = frozenset()) -> None:
        """The hub's prefix with one MED on each tunnel of branch b1."""
        self.speaker.want({FIBER: {HUB: Announcement(fiber)}, WIRELESS: {HUB: Announcement(wireless)}}, urgent)

    async def until(self, holds: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not seen: {what}; {self.speaker.problems}; {self.events[-5:]}")
            await asyncio.sleep(0.01)

    async def until_told(self, kind: type, count: int = 1, *, after: int = 0) -> None:
        """Wait for so many events of a kind since the event number `after`."""
        await self.until(
            lambda: sum(isinstance(event, kind) for event in self.events[after:]) >= count, f"{count} {kind.__name__}"
        )

    def told(self, kind: type, *, after: int = 0) -> list[Any]:
        """The events of a kind since the event number `after`."""
        return [event for event in self.events[after:] if isinstance(event, kind)]

    async def stop(self) -> None:
        """Disconnect."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene to its end."""
    asyncio.run(asyncio.wait_for(scene, timeout=90))
