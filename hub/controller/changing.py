"""Changing the configuration while the hub runs: plan, then apply. Beside the loop: no failover waits for a file.

An apply goes in steps, each of which looks at what is: the files are copied and read, ExaBGP judges its part, tunnels
that go are left (nothing carries over them any more), then withdrawn from and removed. Going back to the configuration
before is an apply of its copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from hub.config import Configuration
from hub.config.applied import in_force
from hub.config.file_changes import FileChange, file_changes
from hub.config.problems import Severity
from hub.config.provenance import Confirmation, GoneBack, Provenance
from hub.control.lines import Message
from hub.controller.ending import Applied, Taken, ended
from hub.controller.kept import Kept, Staged
from hub.controller.loop import Loop
from hub.controller.neighbors import Neighbors
from hub.controller.not_applied import GuardedError, NotAppliedError, NothingBeforeError
from hub.controller.record import Record
from hub.controller.taking import Begun, Taking
from hub.controller.tunnel_changes import NOBODYS, NotMadeError, TunnelChanges
from hub.scripts.check import with_script_problems
from policies.model.intent import Intent
from policies.plan import Plan, plan
from policies.transition import Transition, transition

_PROBLEM = "configuration"
_OVERTAKEN = (
    "somebody went back, or what is in force changed otherwise, while the tunnels for this were made: "
    "look at it again: pointsman plan"
)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A _Wish is a change that may be made. `wanted` is the plan's id, where one was named.

    `came` says how it came, by the plan's id and the time.
    """

    wanted: str | None
    force: bool
    staged: Staged
    intent: Intent
    came: Callable[[str, datetime], Provenance]


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
        daily: Callable[[Intent], Mapping[str, float]] = lambda _: {},
        tunnels: TunnelChanges = NOBODYS,
    ) -> None:
        """`read` reads a directory, or a copy of it beside its origin; `unfinished` is what was on its way before.

        `daily` are the bytes a day of the branches of which they are known. `tunnels` has the tunnels themselves made
        and removed.
        """
        self._directory = directory
        self._state = state
        self.kept = Kept(directory, state)
        self._read = read
        self._loop = loop
        self._neighbors = neighbors
        self._record = record
        self._daily = daily
        self._asked = asyncio.Event()
        self._applying = asyncio.Lock()
        """Held from the beginning of an apply to its end, and with it for as long as tunnels take to be made."""
        self._turn = asyncio.Lock()
        """Held while what is in force is decided: to confirm and to go back wait for nothing else."""
        self.tunnels = tunnels
        self._taking = Taking(loop, neighbors, record, self.kept, tunnels)
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
            self._taking.finish(self._unfinished)
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self.apply(None, force=False, by="SIGHUP")
            except NotAppliedError as error:
                self._complain(error)

    def _complain(self, error: NotAppliedError) -> None:
        """Nobody waits for the answer to a signal: it stands in the log, and in `status` until an apply goes well."""
        why, mend = str(error).splitlines()[0], f'"pointsman plan" shows it all ({self._directory})'
        if isinstance(error, GuardedError):
            why, mend = error.reason, 'look at it: "pointsman plan"; to do it all the same: "pointsman apply --force"'
        text = f"the configuration was not taken, the one before stays in force: {why}"
        self._loop.problems[_PROBLEM] = (text, mend)
        self._record.say(text)

    def _looked_at(self, copy: Path, origin: Path) -> Configuration:
        """Read, and its policy scripts tried, before anything is decided by it."""
        return with_script_problems(self._read(copy, origin), copy)

    async def plan(self, directory: Path | None = None) -> Plan:
        """What the files of the directory would change.

        Raises:
            NotAppliedError: they have errors.
        """
        return await self._planned(await self.files_intent(directory))

    async def plan_back(self) -> Plan:
        """What going back to the configuration before would change.

        Raises:
            NotAppliedError: it cannot be gone back to.
        """
        before = self._before()
        return await self._planned(_intent_of(await asyncio.to_thread(self._read, before, self._directory)))

    async def files(self, directory: Path | None = None, *, back: bool = False) -> tuple[FileChange, ...]:
        """What differs between the files in force and those of the directory, or of what was in force before."""
        return await asyncio.to_thread(self._files, self._before() if back else directory or self._directory)

    def _files(self, other: Path) -> tuple[FileChange, ...]:
        present = in_force(self._directory, self._state)
        try:
            return file_changes(present, other) if present is not None else ()
        except OSError:
            return ()  # a file that has just gone; what the change does is told all the same

    async def apply(
        self, wanted: str | None, *, force: bool, by: str = "", confirm_within: timedelta | None = None
    ) -> Applied:
        """Take what the files say, if it is what the plan of this id showed; without an id whatever it is.

        With `confirm_within` it must be confirmed by then, which is somebody else's to watch. While tunnels are made
        others have their turn; what was planned is looked at again afterwards.

        Raises:
            NotAppliedError: what is in force stays so.
        """
        async with self._applying:
            async with self._turn:
                wish = await self._wish(wanted, by, confirm_within, force=force)
                begun = await self._begun(wish.staged, wish.intent)
            await self._taking.make(begun)
            async with self._turn:
                planned = await self._again(wish, begun)
                taken = await self._take(planned, begun, partial(wish.came, planned.id))
        return await ended(taken, self._loop)

    async def _wish(self, wanted: str | None, by: str, confirm_within: timedelta | None, *, force: bool) -> _Wish:
        self._refuse_while_awaited()
        try:
            staged = await asyncio.to_thread(self.kept.stage_files)
        except OSError as error:
            raise self._not_written(error) from error
        intent = _intent_of(await asyncio.to_thread(self._looked_at, staged.copy, self._directory))
        planned = await self._planned(intent)
        _refuse(planned, wanted, force=force)
        before, goes_on = self.kept.place, intent == self._present
        if confirm_within is not None and before is None:
            text = f"{self._state} has no copy of what is in force, to go back to: pointsman apply, and then again"
            raise NotAppliedError(text)

        def came(plan_id: str, at: datetime) -> Provenance:
            if goes_on:
                return replace(self.kept.provenance, gone_back=None)
            until = None if confirm_within is None else Confirmation(at + confirm_within, confirm_within)
            return Provenance(plan_id, at, by, before, until)

        self._record.say(f"applying {planned.id}{f', asked by {by}' if by else ''}")
        return _Wish(wanted, force, staged, intent, came)

    async def _begun(self, staged: Staged, intent: Intent) -> Begun:
        try:
            return await self._taking.begin(staged, intent)
        except OSError as error:
            raise self._not_written(error) from error

    async def _again(self, wish: _Wish, begun: Begun) -> Plan:
        """Plan it once more, now that its tunnels are made; one that must not be taken any more is given up."""
        try:
            return await self._still_right(wish, begun)
        except Exception as error:
            left = await self._taking.give_up(begun)
            if left and isinstance(error, NotAppliedError):
                raise NotAppliedError("; ".join([str(error), *left])) from error
            raise

    async def _still_right(self, wish: _Wish, begun: Begun) -> Plan:
        if self._taking.is_overtaken(begun):
            raise NotAppliedError(_OVERTAKEN)
        planned = await self._planned(wish.intent)
        _refuse(planned, wish.wanted, force=wish.force)
        return planned

    async def go_back(self, by: str, why: str) -> Applied:
        """Take the configuration before the present one again. No guard holds that up: it was in force.

        Raises:
            NotAppliedError: nothing was changed; the text says why.
        """
        async with self._turn:
            taken = await self._go_back(by, why)
        return await ended(taken, self._loop)

    async def go_back_unless_confirmed(self, awaited: Confirmation, why: str) -> None:
        """The same, if this confirmation has not come by the time that it is this one's turn.

        Raises:
            NotAppliedError: nothing was changed; the text says why.
        """
        async with self._turn:
            if self.kept.provenance.confirmation is awaited:
                await self._go_back("", why)

    async def _go_back(self, by: str, why: str) -> Taken:
        present, before = self.kept.provenance, self._before()
        try:
            staged = await asyncio.to_thread(self.kept.stage_before)
        except OSError as error:
            raise NotAppliedError(f"{before}: {error.strerror}") from error
        intent = _intent_of(await asyncio.to_thread(self._read, staged.copy, self._directory))
        planned = await self._planned(intent)
        was = await asyncio.to_thread(self.kept.came_before)

        def came(at: datetime) -> Provenance:
            return Provenance(was.plan, at, by, gone_back=GoneBack(present.plan, why))

        self._record.say(f"going back from configuration {present.plan or '(of a start)'}: {why}")
        begun = await self._begun(staged, intent)
        await self._taking.make(begun, in_turn=True)
        return await self._take(planned, begun, came)

    async def confirm(self, wanted: str | None, by: str) -> Provenance:
        """Keep what awaits confirmation, if it is what the plan of this id led to; without an id whatever it is.

        Raises:
            NotAppliedError: nothing awaits it, or that could not be written down.
        """
        async with self._turn:
            present = self.kept.provenance
            if present.confirmation is None:
                raise NotAppliedError("no configuration waits to be confirmed: what is in force stays so")
            if wanted is not None and wanted != present.plan:
                raise NotAppliedError(f"it is {present.plan} that waits to be confirmed, not {wanted[:40]}")
            try:
                await asyncio.to_thread(self.kept.confirm)
            except OSError as error:
                raise self._not_written(error) from error
            self._loop.problems.pop(_PROBLEM, None)
            self._record.say(f"configuration {present.plan} is confirmed{f' by {by}' if by else ''}: it stays")
            return self.kept.provenance

    def _refuse_while_awaited(self) -> None:
        present = self.kept.provenance
        if present.confirmation is not None:
            until = present.confirmation.until.astimezone(self._loop.now().wall.tzinfo)
            raise NotAppliedError(
                f"configuration {present.plan} goes back at {until:%H:%M} unless confirmed; until then nothing is "
                'applied: first "pointsman confirm" to keep it, or "pointsman rollback"'
            )

    def _before(self) -> Path:
        before, gone_back = self.kept.before, self.kept.provenance.gone_back
        if before is not None:
            return before
        files = "to take the files: pointsman plan, then pointsman apply"
        if gone_back is not None:
            raise NothingBeforeError(f"what is in force was gone back to already, and only one is kept; {files}")
        raise NothingBeforeError(f"no configuration before the present one is kept in {self._state}; {files}")

    async def _planned(self, intent: Intent) -> Plan:
        """In a thread, of values that nobody changes: no failover waits for it."""
        loop, present = self._loop, self._present
        memories, sizes, daily = loop.health.memories, loop.signs.sizes, self._daily(present)
        planned = await asyncio.to_thread(plan, present, intent, loop.view, loop.now(), memories, daily, sizes)
        self.tunnels.note(planned.id, intent)
        return planned

    async def files_intent(self, directory: Path | None = None) -> Intent:
        """What the files of the directory say.

        Raises:
            NotAppliedError: they have errors.
        """
        where = directory or self._directory
        return _intent_of(await asyncio.to_thread(self._looked_at, where, where))

    async def tunnels_alone(self, directory: Path | None = None) -> Intent:
        """The tunnels of the directory's files beside those in force: what is in use stays (raises like the above)."""
        return transition(self._loop.intent, await self.files_intent(directory)).interim

    async def apply_tunnels(self, wanted: str | None, by: str) -> Message:
        """Make the files' tunnels and nothing else, if that is what the plan of this number showed.

        Raises:
            NotAppliedError: the files have errors, no provisioner runs, or it refuses.
        """
        async with self._applying:
            intent = await self.tunnels_alone()
            self._record.say(f"making tunnels alone{f', asked by {by}' if by else ''}")
            try:
                return await self.tunnels.made(intent, wanted)
            except NotMadeError as error:
                raise NotAppliedError(str(error)) from error

    def _not_written(self, error: OSError) -> NotAppliedError:
        where = error.filename or self._state
        return NotAppliedError(f"{where}: {error.strerror}: make it readable, or make room there")

    async def _take(self, planned: Plan, begun: Begun, came: Callable[[datetime], Provenance]) -> Taken:
        problems, finishing = await self._taking.take(begun, came)
        self._loop.problems.pop(_PROBLEM, None)
        self._goal = begun.change.final
        self._record.say(f"configuration {self.kept.provenance.plan or planned.id} is in force")
        return Taken(planned, begun.change, problems, finishing, begun.grown.done)


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
