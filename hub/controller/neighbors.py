"""ExaBGP's neighbors kept equal to the configuration's tunnels, in a task of its own: the loop never waits for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from hub.bgp.reload import Outcome, reconfigure
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
        self._taking: list[tuple[Intent, asyncio.Future[Outcome]]] = []

    async def take(self, intent: Intent) -> Outcome:
        """Make the tunnels of this intent ExaBGP's neighbors; how that ended."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._taking.append((intent, outcome))
        self._wanted = intent
        self._changed.set()
        return await outcome

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
            self._answer(wanted, outcome)
            if outcome.problems:
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._changed.set)

    def _answer(self, wanted: Intent, outcome: Outcome) -> None:
        for intent, asked in [(intent, asked) for intent, asked in self._taking if intent is wanted]:
            self._taking.remove((intent, asked))
            if not asked.done():
                asked.set_result(outcome)

    def _accept(self, wanted: Intent) -> Callable[[], None]:
        """What follows once ExaBGP accepts it: forwarder and policy take it too, and not before."""
        return (lambda: None) if wanted is self._present else (lambda: self._loop.reconfigure(wanted))

    def _report(self, problem: str) -> None:
        text, _ = self._loop.problems.pop(_PROBLEM, ("", ""))
        if problem:
            self._loop.problems[_PROBLEM] = (problem, _MEND)
        if problem != text:
            self._say(problem or "ExaBGP has the neighbors that are wanted")
