"""Changing the configuration while the hub runs: plan, then apply. Beside the loop: no failover waits for a file.

An apply goes in steps, each of which looks at what is: the files are copied and read, ExaBGP judges its part, tunnels
that go are left (nothing carries over them any more), then withdrawn from and removed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.config import Configuration
from hub.config.applied import in_force, put_in_force, stage
from hub.config.leaving import forget_leaving, remember_leaving
from hub.config.problems import Severity
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.record import Record
from policies.model.clock import Instant
from policies.model.intent import Intent
from policies.plan import Plan, plan
from policies.transition import Transition, still_carrying, transition, untold
from speaker.bgp.configuration import HOLD_TIME

_PROBLEM = "configuration"
LEAVE_WITHIN = 30.0
"""Seconds that an apply waits for traffic to leave the tunnels that go; it goes on in the background after that."""
TOLD_WITHIN = HOLD_TIME + 6.0
"""Seconds to wait for an ExaBGP that does not answer, to withdraw by it; its sessions are over before that. Its relay
needs some five to come back."""
LOOK_EVERY = 0.1
AGAIN_SECONDS = 5.0


class NotAppliedError(Exception):
    """Nothing was changed; the text says why, and the mend."""


class GuardedError(NotAppliedError):
    """Nothing was changed because these guards speak against it, and nobody said `--force`."""

    def __init__(self, guards: tuple[str, ...]) -> None:
        self.reason = "; ".join(guards)
        super().__init__(f"{self.reason}. Use --force to do it all the same")


@dataclass(frozen=True, slots=True)
class Applied:
    """An Applied is how an apply ended: `waiting` are the tunnels that still carry traffic and go when they don't."""

    plan: Plan
    waiting: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Changing:
    """A Changing is the only one who gives the loop and ExaBGP another configuration."""

    def __init__(
        self,
        directory: Path,
        state: Path,
        read: Callable[[Path, Path], Configuration],
        loop: Loop,
        neighbors: Neighbors,
        record: Record,
        unfinished: Transition | None = None,
    ) -> None:
        """`read` reads a directory, or a copy of it beside its origin; `unfinished` is what was on its way before."""
        self._directory = directory
        self._state = state
        self._read = read
        self._loop = loop
        self._neighbors = neighbors
        self._record = record
        self._asked = asyncio.Event()
        self._turn = asyncio.Lock()
        self._finishing: asyncio.Task[None] | None = None
        self._unfinished = unfinished
        self._goal = unfinished.final if unfinished is not None else None

    @property
    def _present(self) -> Intent:
        """What is in force, or on its way: a change that still waits for traffic to leave counts as made."""
        return self._goal if self._goal is not None else self._loop.intent

    def ask(self) -> None:
        """Apply what the files say soon, without looking (SIGHUP); asked twice in the meantime, it is done once."""
        self._asked.set()

    async def run(self) -> None:
        """Finish what was begun before, and apply whenever asked by a signal."""
        if self._unfinished is not None and self._unfinished.leaving:
            self._begin_to_finish(self._unfinished)
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self.apply(None, force=False)
            except NotAppliedError as error:
                self._complain(error)

    def _complain(self, error: NotAppliedError) -> None:
        """Nobody waits for the answer to a signal: it stands in the log, and in `status` until an apply goes well."""
        why, mend = str(error).splitlines()[0], f'"pointsman plan" shows it all ({self._directory})'
        if isinstance(error, GuardedError):
            why, mend = error.reason, 'complete the files; or, to do it all the same: "pointsman apply --force"'
        text = f"the configuration was not taken, the one before stays in force: {why}"
        self._loop.problems[_PROBLEM] = (text, mend)
        self._record.say(text)

    async def plan(self, directory: Path | None = None) -> Plan:
        """What the files of the directory would change.

        Raises:
            NotAppliedError: they have errors.
        """
        where = directory or self._directory
        return await self._planned(_intent_of(await asyncio.to_thread(self._read, where, where)))

    async def apply(self, wanted: str | None, *, force: bool) -> Applied:
        """Take what the files say, if it is what the plan of this id showed; without an id whatever it is.

        Raises:
            NotAppliedError: nothing was changed.
        """
        async with self._turn:
            try:
                staged = await asyncio.to_thread(stage, self._directory, self._state)
            except OSError as error:
                raise self._not_written(error) from error
            intent = _intent_of(await asyncio.to_thread(self._read, staged, self._directory))
            planned = await self._planned(intent)
            _refuse(planned, wanted, force=force)
            return await self._carry_out(planned, intent, staged)

    async def _planned(self, intent: Intent) -> Plan:
        """In a thread, of values that nobody changes: no failover waits for it."""
        return await asyncio.to_thread(plan, self._present, intent, self._loop.view, self._loop.now())

    def _not_written(self, error: OSError) -> NotAppliedError:
        where = error.filename or self._state
        return NotAppliedError(f"{where}: {error.strerror}: make it readable, or make room there")

    async def _carry_out(self, planned: Plan, intent: Intent, staged: Path) -> Applied:
        unfinished = await self._abandon()
        change = await asyncio.to_thread(transition, self._loop.intent, intent)
        kept: list[str] = []

        async def keep() -> None:
            kept.extend(await asyncio.to_thread(_kept, staged))

        try:
            await asyncio.to_thread(remember_leaving, staged, change)
        except OSError as error:
            self._begin_to_finish(unfinished)
            raise self._not_written(error) from error
        outcome = await self._neighbors.take(change.interim, keep)
        if not outcome.taken:
            self._begin_to_finish(unfinished)
            raise NotAppliedError("; ".join(outcome.problems))
        self._loop.problems.pop(_PROBLEM, None)
        self._goal = intent
        problems = (*outcome.problems, *kept)
        self._record.say(f"configuration {planned.id} is in force")
        if not change.leaving:
            return Applied(planned, (), problems)
        finishing = self._begin_to_finish(change)
        await asyncio.wait([finishing], timeout=LEAVE_WITHIN)
        waiting = () if finishing.done() else tuple(sorted(map(str, change.leaving)))
        return Applied(planned, waiting, problems)

    def _begin_to_finish(self, change: Transition | None) -> asyncio.Task[None]:
        self._unfinished = change
        self._finishing = asyncio.create_task(self._finish(change), name="leaving tunnels")
        return self._finishing

    async def _finish(self, change: Transition | None) -> None:
        """Remove the tunnels that go once nothing uses them, and again until it was taken."""
        if change is None:
            return
        await self._until_left(change)
        while not (outcome := await self._neighbors.take(change.final)).taken:
            self._record.say(f"not removed yet: {'; '.join(outcome.problems)}")
            await asyncio.sleep(AGAIN_SECONDS)
        self._unfinished = None
        self._record.say(f"removed: {', '.join(sorted(map(str, change.leaving)))}")
        if (problem := await asyncio.to_thread(_forgotten, self._directory, self._state)) is not None:
            self._record.say(problem)

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

    async def _abandon(self) -> Transition | None:
        """An unfinished change gives way to the next one, which begins where that one is; None if there was none."""
        unfinished, self._unfinished = self._unfinished, None
        if self._finishing is not None and not self._finishing.done():
            self._finishing.cancel()
            await asyncio.wait([self._finishing])
        self._finishing = None
        return unfinished


def _intent_of(configuration: Configuration) -> Intent:
    if configuration.intent is None:
        errors = (str(problem) for problem in configuration.problems if problem.severity is Severity.ERROR)
        raise NotAppliedError("\n".join(errors))
    return configuration.intent


def _refuse(planned: Plan, wanted: str | None, *, force: bool) -> None:
    if wanted is not None and wanted != planned.id:
        raise NotAppliedError(
            f"{wanted} is not the present plan: files or health have changed since it was made, or it never was one; "
            f"look at it again: pointsman plan (it is {planned.id} now)"
        )
    if planned.guards and not force:
        raise GuardedError(planned.guards)


def _kept(staged: Path) -> list[str]:
    try:
        put_in_force(staged)
    except OSError as error:
        return [f"{staged}: {error.strerror}: a restarted controller would go back to the configuration before"]
    return []


def _forgotten(directory: Path, state: Path) -> str | None:
    """Forget what was left; why that could not be done."""
    copy = in_force(directory, state)
    try:
        if copy is not None:
            forget_leaving(copy)
    except OSError as error:
        return f"{copy}: {error.strerror}: a restarted controller would remove the same tunnels again"
    return None
