"""ExaBGP's neighbors kept equal to the configuration's tunnels, in a task of its own: the loop never waits for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from hub.bgp.reload import reconfigure
from hub.bgp.speaker import Speaker
from hub.control.places import Places
from hub.controller.loop import Loop
from policies.model.intent import Intent
from speaker.bgp.configuration import Rendering

_PROBLEM = "exabgp neighbors"
_MEND = "tried again every few seconds; see ExaBGP's log"
AGAIN_SECONDS = 5.0
"""How long after ExaBGP did not take what is wanted it is tried again."""


class Neighbors:
    """A Neighbors takes the latest intent and makes ExaBGP have its neighbors; what came before it is dropped."""

    def __init__(
        self, speaker: Speaker, places: Places, loop: Loop, intent: Intent, say: Callable[[str], None]
    ) -> None:
        self._speaker = speaker
        self._path = places.exabgp_config()
        self._rendering = Rendering(python=sys.executable, socket=str(places.relay_socket()))
        self._loop = loop
        self._say = say
        self._present = intent
        self._wanted = intent
        self._changed = asyncio.Event()
        self._changed.set()

    def want(self, intent: Intent) -> None:
        """The intent whose tunnels shall be ExaBGP's neighbors."""
        self._wanted = intent
        self._changed.set()

    async def run(self) -> None:
        """Reconfigure whenever another intent is wanted, and again until ExaBGP took it."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = self._wanted
            outcome = await reconfigure(
                self._speaker, self._present, wanted, self._rendering, self._path, on_valid=self._accept(wanted)
            )
            if outcome.taken:
                self._present = wanted
            self._report("; ".join(outcome.problems))
            if outcome.problems:
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._changed.set)

    def _accept(self, wanted: Intent) -> Callable[[], None]:
        """What follows once ExaBGP accepts it: forwarder and policy take it too, and not before."""
        return (lambda: None) if wanted is self._present else (lambda: self._loop.reconfigure(wanted))

    def _report(self, problem: str) -> None:
        text, _ = self._loop.problems.pop(_PROBLEM, ("", ""))
        if problem:
            self._loop.problems[_PROBLEM] = (problem, _MEND)
        if problem != text:
            self._say(problem or "ExaBGP has the neighbors that are wanted")
