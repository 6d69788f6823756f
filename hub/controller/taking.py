"""Bringing a configuration into force in steps: more tunnels first, then ExaBGP's neighbors, and less at the end.

Tunnels may take minutes to make, and a provisioner may hang. Whoever calls `make` for as long as that takes must let
others have their turn meanwhile, and look afterwards whether the change `is_overtaken`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub.config.provenance import Provenance
from hub.control.lines import Message
from hub.controller.kept import Kept, Staged
from hub.controller.leaving import Leaving
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.not_applied import NotAppliedError
from hub.controller.record import Record
from hub.controller.tunnel_changes import TunnelChanges
from hub.controller.tunnels import NO_ANSWER, TAKEN_SECONDS, Took
from policies.model.intent import Intent
from policies.transition import Transition, transition

IN_TURN_SECONDS = 15.0
"""How long the provisioner is waited for while others wait for their turn: to confirm a change, or to go back."""


@dataclass(slots=True)
class Begun:
    """A Begun is a change that is on its way, and not in force.

    `before` is what is in force, `unfinished` the change whose tunnels were being left, `grown` how making tunnels
    ended.
    """

    staged: Staged
    before: Intent
    change: Transition
    unfinished: Transition | None
    grown: Took = NO_ANSWER


class Taking:
    """A Taking is the only one who gives the loop, ExaBGP and the provisioner another configuration."""

    def __init__(self, loop: Loop, neighbors: Neighbors, record: Record, kept: Kept, tunnels: TunnelChanges) -> None:
        self._loop = loop
        self._neighbors = neighbors
        self._record = record
        self._kept = kept
        self._tunnels = tunnels
        self._leaving = Leaving(loop, neighbors, record, kept, tunnels.shrink)

    def finish(self, change: Transition) -> None:
        """Go on leaving tunnels where a process before this one was."""
        self._leaving.begin(change)

    async def begin(self, staged: Staged, intent: Intent) -> Begun:
        """A change to this intent, whose copy is staged. Until it is taken or given up no tunnel is left.

        Raises:
            OSError: what is to be left cannot be written down; nothing was changed.
        """
        unfinished = await self._leaving.abandon()
        before = self._loop.intent
        try:
            change = await asyncio.to_thread(transition, before, intent)
            await asyncio.to_thread(self._kept.remember_leaving, staged, change)
        except Exception:
            self._leaving.begin(unfinished)
            raise
        return Begun(staged, before, change, unfinished)

    async def make(self, begun: Begun, *, in_turn: bool = False) -> None:
        """Have the tunnels made that are new; `in_turn`, others wait for it, and those that are not made come later."""
        within = IN_TURN_SECONDS if in_turn else TAKEN_SECONDS
        try:
            begun.grown = await self._tunnels.grow(begun.change.interim, within)
        except Exception:
            self._leaving.begin(begun.unfinished)
            raise

    def is_overtaken(self, begun: Begun) -> bool:
        """Whether another change was tried since it began: it was of what was in force then."""
        return self._kept.latest is not begun.staged or self._loop.intent is not begun.before

    async def take(
        self, begun: Begun, came: Callable[[datetime], Provenance]
    ) -> tuple[tuple[str, ...], asyncio.Task[tuple[Message, ...]]]:
        """Bring it into force; what did not go as it should, and what is done when nothing is left to do.

        Raises:
            NotAppliedError: ExaBGP refuses it. What was made for it is removed again.
        """
        not_kept: list[str] = []

        async def keep() -> None:
            provenance = came(self._loop.now().wall)
            not_kept.extend(await asyncio.to_thread(self._kept.keep, begun.staged, provenance))

        outcome = await self._neighbors.take(begun.change.interim, keep)
        if not outcome.taken:
            raise NotAppliedError("; ".join([*outcome.problems, *await self.give_up(begun)]))
        problems = (*begun.grown.problems, *outcome.problems, *not_kept)
        return problems, self._leaving.begin(begun.change)

    async def give_up(self, begun: Begun) -> tuple[str, ...]:
        """Have the tunnels as what is in force wants them; what is left of this change, and why."""
        unfinished = await self._leaving.abandon()
        if unfinished is None and self._loop.intent is begun.before:
            unfinished = begun.unfinished
        try:
            return await self._tunnels.undo(self._loop.intent, begun.grown, IN_TURN_SECONDS)
        finally:
            self._leaving.begin(unfinished)
