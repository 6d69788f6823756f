"""The end of a change: tunnels that go are left by their traffic, withdrawn from, and only then removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from hub.control.lines import Message
from hub.controller.kept import Kept
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.record import Record
from policies.model.clock import Instant
from policies.model.intent import Intent
from policies.transition import Transition, still_carrying, untold
from speaker.bgp.configuration import HOLD_TIME

TOLD_WITHIN = HOLD_TIME + 6.0
"""Seconds to wait for an ExaBGP that does not answer, to withdraw by it; its sessions are over before that. Its relay
needs some five to come back."""
LOOK_EVERY = 0.1
AGAIN_SECONDS = 5.0


async def _nothing_to_remove(_final: Intent) -> tuple[Message, ...]:
    return ()


class Leaving:
    """A Leaving finishes one change at a time, beside whatever else is done."""

    def __init__(
        self,
        loop: Loop,
        neighbors: Neighbors,
        record: Record,
        kept: Kept,
        shrink: Callable[[Intent], Awaitable[tuple[Message, ...]]] = _nothing_to_remove,
    ) -> None:
        """`shrink` removes what this intent has no use for, once its sessions are closed, and says what it did."""
        self._shrink = shrink
        self._loop = loop
        self._neighbors = neighbors
        self._record = record
        self._kept = kept
        self._unfinished: Transition | None = None
        self._finishing: asyncio.Task[tuple[Message, ...]] | None = None

    def begin(self, change: Transition | None) -> asyncio.Task[tuple[Message, ...]]:
        """Finish this change from now on; None: there is nothing to finish. Its result is what was done to tunnels."""
        self._unfinished = change
        self._finishing = asyncio.create_task(self._finish(change), name="leaving tunnels")
        return self._finishing

    async def abandon(self) -> Transition | None:
        """An unfinished change gives way to the next one, which begins where that one is; None if there was none."""
        unfinished, self._unfinished = self._unfinished, None
        if self._finishing is not None and not self._finishing.done():
            self._finishing.cancel()
            await asyncio.wait([self._finishing])
        self._finishing = None
        return unfinished

    async def _finish(self, change: Transition | None) -> tuple[Message, ...]:
        """Remove the tunnels that go once nothing uses them, and again until it was taken; what was done to tunnels."""
        if change is None:
            return ()
        done: tuple[Message, ...] = ()
        if change.leaving:
            await self._until_left(change)
            if change.leaving & change.final.tunnels().keys():
                # Made anew while nothing uses them: in force, what lives as it was would be gone back to before that.
                done = await self._shrink(change.final)
            while not (outcome := await self._neighbors.take(change.final)).taken:
                self._record.say(f"not removed yet: {'; '.join(outcome.problems)}")
                await asyncio.sleep(AGAIN_SECONDS)
        done += await self._shrink(change.final)
        self._unfinished = None
        if not change.leaving:
            return done
        self._record.say(f"removed: {', '.join(sorted(map(str, change.leaving)))}")
        if (problem := await asyncio.to_thread(self._kept.forget_leaving)) is not None:
            self._record.say(problem)
        return done

    async def _until_left(self, change: Transition) -> None:
        """Nothing is seen to use the tunnels that go, and who must withdraw from them can be told so."""
        silent_since: float | None = None
        while True:
            now = time.monotonic()
            if still_carrying(change, self._loop.view, Instant(now)):
                silent_since = None
            elif not untold(change, self._loop.view):
                return
            elif silent_since is None:
                silent_since = now
            elif now - silent_since >= TOLD_WITHIN:
                return
            await asyncio.sleep(LOOK_EVERY)
