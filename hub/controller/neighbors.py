"""ExaBGP's neighbors kept equal to the configuration's tunnels, in a task of its own: the loop never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from hub.bgp.reload import Outcome, Site, nothing_more, reconfigure
from hub.bgp.speakers import Speakers
from hub.controller.loop import Loop
from policies.model.intent import Intent

_PROBLEM = "exabgp neighbors"
_MEND = "tried again every few seconds; see ExaBGP's log"
AGAIN_SECONDS = 5.0
"""How long after ExaBGP did not take what is wanted it is tried again."""
LOOK_SECONDS = 1.0
"""How often to see that the configurations are still there: without its file a process of ExaBGP is stopped."""


class Neighbors:
    """A Neighbors takes the latest intent and makes ExaBGP have its neighbors; what came before it is dropped."""

    def __init__(self, speakers: Speakers, site: Site, loop: Loop, intent: Intent, say: Callable[[str], None]) -> None:
        self._speakers = speakers
        self._site = site
        self._loop = loop
        self._say = say
        self._said = ""
        self._present = intent
        self._wanted = intent
        self._changed = asyncio.Event()
        self._changed.set()
        self._on_valid: Callable[[], Awaitable[None]] = nothing_more
        self._taking: list[tuple[Intent, asyncio.Future[Outcome]]] = []

    async def take(self, intent: Intent, on_valid: Callable[[], Awaitable[None]] = nothing_more) -> Outcome:
        """Make the tunnels of this intent ExaBGP's neighbors; how that ended.

        `on_valid` is awaited when ExaBGP has accepted it and nothing has changed yet.
        """
        self._on_valid = on_valid
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._taking.append((intent, outcome))
        self._wanted = intent
        self._changed.set()
        return await outcome

    async def run(self) -> None:
        """Reconfigure whenever another intent is wanted, and again until ExaBGP took it."""
        while True:
            await self._until_changed()
            self._changed.clear()
            wanted = self._wanted
            outcome = await reconfigure(
                self._speakers, self._present, wanted, self._site, on_valid=self._accept(wanted)
            )
            if outcome.taken:
                self._present = wanted
            elif self._wanted is wanted:
                # What was refused does not come into force later by itself.
                self._wanted = self._present
            self._report(outcome)
            self._answer(wanted, outcome)
            if outcome.problems or outcome.unanswered:
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._changed.set)

    def _answer(self, wanted: Intent, outcome: Outcome) -> None:
        for intent, asked in [(intent, asked) for intent, asked in self._taking if intent is wanted]:
            self._taking.remove((intent, asked))
            if not asked.done():
                asked.set_result(outcome)

    async def _until_changed(self) -> None:
        while not self._changed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK_SECONDS)
            if not all(self._site.places.exabgp_config(process).exists() for process in self._present.processes()):
                return

    def _accept(self, wanted: Intent) -> Callable[[], Awaitable[None]]:
        """What follows once ExaBGP accepts it: forwarder and policy take it too, and not before."""
        if wanted is self._present:
            return nothing_more
        first, self._on_valid = self._on_valid, nothing_more

        async def accept() -> None:
            await first()
            self._loop.reconfigure(wanted)

        return accept

    def _report(self, outcome: Outcome) -> None:
        """Say what changed. That a process does not answer is its speaker's problem, and here only said."""
        problem = "; ".join(outcome.problems)
        self._loop.problems.pop(_PROBLEM, None)
        if problem:
            self._loop.problems[_PROBLEM] = (problem, _MEND)
        silent = ", ".join(map(str, outcome.unanswered))
        text = problem or (silent and f"ExaBGP {silent} does not answer: its neighbors are looked at when it does")
        if text != self._said:
            self._say(text or "ExaBGP has the neighbors that are wanted")
        self._said = text
