"""The configuration read again while the hub runs: beside the loop, so that no failover waits for a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.record import Record
from policies.model.intent import Intent

_PROBLEM = "configuration"


class Rereading:
    """A Rereading reads when it is asked to; what has errors changes nothing."""

    def __init__(
        self, read: Callable[[], Intent | None], loop: Loop, neighbors: Neighbors, record: Record, directory: str
    ) -> None:
        self._read = read
        self._loop = loop
        self._neighbors = neighbors
        self._record = record
        self._directory = directory
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read it again soon; asked twice in the meantime, it is read once more."""
        self._asked.set()

    async def run(self) -> None:
        """Read whenever asked."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            new = await asyncio.to_thread(self._read)
            if new is None:
                text = "the configuration has errors: the one before stays in force"
                mend = f"pointsman check {self._directory} names them; then reload again"
                self._loop.problems[_PROBLEM] = (text, mend)
                self._record.say(text)
                continue
            self._loop.problems.pop(_PROBLEM, None)
            self._record.say("the configuration was read again")
            self._neighbors.want(new)
