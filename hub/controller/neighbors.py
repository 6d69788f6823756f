"""ExaBGP's neighbors kept equal to the configuration's tunnels, in a task of its own: the loop never waits for it."""

from __future__ import annotations

import asyncio
import sys

from hub.bgp.reload import reconfigure
from hub.bgp.speaker import Speaker
from hub.control.places import Places
from hub.controller.loop import Loop
from policies.model.intent import Intent
from speaker.bgp.configuration import Rendering

_PROBLEM = "exabgp neighbors"


class Neighbors:
    """A Neighbors takes the latest intent and makes ExaBGP have its neighbors; what came before it is dropped."""

    def __init__(self, speaker: Speaker, places: Places, loop: Loop, intent: Intent) -> None:
        self._speaker = speaker
        self._path = places.exabgp_config()
        self._rendering = Rendering(python=sys.executable, socket=str(places.relay_socket()))
        self._loop = loop
        self._present = intent
        self._wanted: Intent | None = intent
        self._changed = asyncio.Event()
        self._changed.set()

    def want(self, intent: Intent) -> None:
        """The intent whose tunnels shall be ExaBGP's neighbors."""
        self._wanted = intent
        self._changed.set()

    async def run(self) -> None:
        """Reconfigure whenever another intent is wanted."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if (wanted := self._wanted) is None:
                continue
            outcome = await reconfigure(self._speaker, self._present, wanted, self._rendering, self._path)
            if outcome.taken:
                self._present = wanted
            if outcome.problems:
                self._loop.problems[_PROBLEM] = ("; ".join(outcome.problems), "")
            else:
                self._loop.problems.pop(_PROBLEM, None)
