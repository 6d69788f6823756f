"""The overrides while the controller runs: said, kept on the disk, and only then in force; ended by time or by word.

    control.sock -> asks -> OverridesKeeper -> controller.db (a thread of its own)
                                  |
                                  +--> InForceChanged -> the loop

Nothing but the one who asked waits for the disk: the loop goes on by what it was told before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from hub.overrides.counters import Counters
from hub.overrides.held_up import drain_held_up, frozen
from hub.overrides.meaning import Meaning
from hub.overrides.progress import Progress, progress
from hub.overrides.rows import Ended, Failback
from hub.overrides.shelf import Shelf
from hub.overrides.store import Store, overrides_of
from hub.overrides.watch import DrainWatch
from hub.overrides.wording import announced, named
from policies.model.clock import Instant, Now
from policies.model.events import InForceChanged
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import Author, Drain, Freeze, Override, Overrides
from policies.model.verdicts import Verdict
from policies.model.view import LivenessState, View
from policies.overrides.commands import (
    Beside,
    DrainWanted,
    Wanted,
    extended,
    named_drain,
    named_freeze,
    new_drain,
    new_freeze,
    new_switch,
    still_drained,
    switches_of,
)
from policies.overrides.errors import NotDoneError
from policies.overrides.schedule import drained_by, undrained_since
from policies.overrides.targets import read_branch

T = TypeVar("T")

LOOK_SECONDS = 1.0
START_SECONDS = 3.0
"""How long the controller waits at its start for what was kept: without it a drained tunnel would be gone back to."""
AGAIN_SECONDS = 60.0
"""After a write that failed: how long before the end of an override is written again."""
WORD_COUNTS = timedelta(minutes=10)
"""How long the word of a failback counts: should the better tunnel not be fit by then, nobody is surprised later."""
_PROBLEM, _NOT_KNOWN = "overrides", "what operators said before is not known"


class Core(Protocol):
    """A Core is the owner of the view, as far as overrides need it."""

    problems: dict[str, tuple[str, str]]
    overrides: Overrides
    """What operators said, for whoever asks; nothing is decided by it."""

    @property
    def intent(self) -> Intent:
        """The configuration that is decided by."""

    @property
    def view(self) -> View:
        """What is believed now."""

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """What was decided last, by branch."""

    def now(self) -> Now:
        """This moment, in the hub's zone."""

    def take(self, event: InForceChanged) -> None:
        """Decide by what is in force from now on."""


@dataclass(frozen=True, slots=True)
class Done:
    """A Done is what a command did: what now counts or no longer does, and what the operator should know beside it.

    `carried` are the tunnels that carried traffic until a drain that began now.
    """

    overrides: tuple[Override, ...]
    notes: tuple[str, ...] = ()
    carried: tuple[TunnelId, ...] = ()


class OverridesKeeper:
    """An OverridesKeeper is the only one who changes overrides.

    Its commands raise NotDoneError when nothing was changed.
    """

    def __init__(self, path: Path, core: Core, say: Callable[[str], None], counters: Counters | None = None) -> None:
        """`path` is the file; `counters` None where nobody counts packets."""
        self._core = core
        self._say = say
        self._shelf = Shelf(path, core.now, say)
        self._watch = DrainWatch(core.problems, say, counters)
        self._turn = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None
        self._standing: tuple[Override, ...] = ()
        self._known = False
        self._meaning = Meaning()
        self._told_begun: set[int] = set()
        self._again_at = 0.0

    @property
    def standing(self) -> tuple[Override, ...]:
        """Those that are in force or scheduled, by number.

        Raises:
            NotDoneError: what was kept could not be read yet.
        """
        if not self._known:
            raise NotDoneError(self._core.problems.get(_PROBLEM, (_NOT_KNOWN,))[0])
        return self._standing

    @property
    def counting(self) -> bool:
        """Whether packets can be counted at all."""
        return self._watch.counting

    async def start(self) -> None:
        """Give the loop what was kept; while a disk does not answer, all is frozen and it is waited for."""
        self._loading = asyncio.create_task(self._load())
        await asyncio.wait([self._loading], timeout=START_SECONDS)
        if not self._loading.done():
            self._say_not_known(f"its disk does not answer for {START_SECONDS:g} s", "it is waited for")
        if not self._known:
            self._tell(self._core.now())

    async def run(self) -> None:
        """End what is over, warn of what ends soon, have drained tunnels counted; for ever."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(self._until_next())
        finally:
            self._shelf.close()

    def _until_next(self) -> float:
        """Seconds: when time next changes what holds, or when to look again."""
        left = self._meaning.seconds_until_change(self._core.now().wall)
        return min(max(left, 0.001), LOOK_SECONDS) if left is not None else LOOK_SECONDS

    async def drain(self, wanted: DrainWanted, author: Author) -> Done:
        """Take tunnels out of service."""
        async with self._turn:
            beside = await self._beside(author)
            drain = await asyncio.to_thread(new_drain, wanted, beside)
            active = {forwarding.active for forwarding in beside.view.classes.values()}
            carried = tuple(sorted(drain.target.tunnels(beside.intent) & active))
            return Done((await self._add(drain),), drain_held_up(drain, beside), carried)

    async def extend(self, target: str, by: timedelta, author: Author, *, force: bool, reason: str = "") -> Done:
        """Let a drain end later."""
        async with self._turn:
            beside = await self._beside(author)
            drain = await asyncio.to_thread(extended, target, by, beside, force=force, reason=reason)
            await self._write(lambda store: store.extend(drain))
            now = next(one for one in self._standing if one.number == drain.number)
            self._say(f"{announced(now, self._core.now().wall)}; extended by {author.user}")
            return Done((now,))

    async def undrain(self, target: str, author: Author) -> Done:
        """End a drain."""
        async with self._turn:
            beside = await self._beside(author)
            drain = named_drain(target, beside, "end")
            await self._end((drain,), author, "undrained")
            return Done((drain,), still_drained(drain, overrides_of(self._standing), beside))

    async def switch(self, branch: str, to: str, when: Wanted, author: Author) -> Done:
        """Prefer one tunnel of a branch."""
        async with self._turn:
            beside = await self._beside(author)
            switch, before = new_switch(branch, to, when, beside)
            added = await self._add(switch, instead_of=before)
            replaced = tuple(f"it takes the place of {named(one)}" for one in before)
            by = drained_by(beside.overrides, beside.intent, beside.now.wall)
            drains = by.get(TunnelId(switch.branch, switch.to), ())
            drained = tuple(f"{switch.to} is drained by {named(drain)}: that comes first" for drain in drains)
            return Done((added,), (*replaced, *drained, *frozen(beside)))

    async def unswitch(self, branch: str, author: Author) -> Done:
        """Let the policy of a branch decide again."""
        async with self._turn:
            found = switches_of(branch, await self._beside(author))
            await self._end(found, author, "unswitched")
            return Done(found)

    async def freeze(self, when: Wanted, author: Author) -> Done:
        """Stop all moves but failover."""
        async with self._turn:
            return Done((await self._add(new_freeze(when, await self._beside(author))),))

    async def unfreeze(self, number: int | None, author: Author) -> Done:
        """End a freeze."""
        async with self._turn:
            beside = await self._beside(author)
            freeze = named_freeze(number, beside)
            await self._end((freeze,), author, "unfrozen")
            left = tuple(f"moves stay frozen by {named(one)}" for one in self._standing if isinstance(one, Freeze))
            return Done((freeze,), left)

    async def failback(self, branch: str, author: Author) -> Done:
        """Say the word for which a branch's policy waits."""
        async with self._turn:
            beside = await self._beside(author)
            name = read_branch(branch, beside.intent).name
            ends = beside.intent.branches[name].tunnels
            if all(beside.view.liveness_of(end.id).state is LivenessState.DOWN for end in ends):
                raise NotDoneError(f"no tunnel of {name} answers: whichever does first carries at once, without a word")
            if self._is_back(name):
                raise NotDoneError(f"{name} is on its preferred tunnel, {self._on(name)}, already")
            made = beside.moment
            before = [one for one in self._standing if isinstance(one, Failback) and one.branch == name]
            word = Failback(0, author, made, made, made + WORD_COUNTS, "", name)
            return Done((await self._add(word, instead_of=before),), frozen(beside))

    def progress(self, number: int) -> tuple[Drain, tuple[Progress, ...]]:
        """How far a drain is.

        Raises:
            NotDoneError: there is no such drain, it is over, or what was kept could not be read yet.
        """
        for drain in self.standing:
            if drain.number == number and isinstance(drain, Drain):
                core = self._core
                return drain, progress(drain, core.intent, core.view, self._watch.counted(), core.now())
        raise NotDoneError(f'drain {number} is not there, or is over: "pointsman overrides --all" says which')

    async def history(self) -> tuple[Ended, ...]:
        """Those that are over, the newest first."""
        return await self._shelf.work(lambda store: store.history())

    async def _beside(self, author: Author) -> Beside:
        """What a command is judged by.

        Raises:
            NotDoneError: what was kept cannot be read, so that nobody knows what is drained.
        """
        if not self._known:
            await self._write(lambda _: None)
        core = self._core
        return Beside(core.intent, core.view, core.overrides, author, core.now())

    async def _add(self, override: Override, instead_of: Sequence[Override] = ()) -> Override:
        numbers = [one.number for one in instead_of]
        added = await self._write(lambda store: store.add(override, instead_of=numbers))
        wall = self._core.now().wall
        self._say(announced(added, wall))
        if added.begins <= wall:
            self._told_begun.add(added.number)
        return added

    async def _end(self, overrides: Sequence[Override], author: Author, word: str) -> None:
        numbers, at = [one.number for one in overrides], self._core.now().wall.astimezone(UTC)
        await self._write(lambda store: store.end(numbers, at, author, word))
        for one in overrides:
            self._say(f"{named(one)} {word} by {author.user}")

    async def _write(self, change: Callable[[Store], T]) -> T:
        """Change what is kept, and then what is decided by.

        Raises:
            NotDoneError: the file does not obey.
        """

        intent, now, known = self._core.intent, self._core.now(), self._known

        def changed(store: Store) -> tuple[T, tuple[Override, ...], Mapping[TunnelId, Instant]]:
            result = change(store)
            return result, store.standing(), {} if known else undrained_since(store.drains_over(now.wall), intent, now)

        result, standing, undrained = await self._shelf.work(changed)
        self._core.problems.pop(_PROBLEM, None)
        self._take(standing, undrained)
        return result

    async def _load(self) -> None:
        try:
            await self._write(lambda _: None)
        except NotDoneError as error:
            self._again_at = time.monotonic() + AGAIN_SECONDS
            self._say_not_known(f"{error}", "it is tried again every minute")

    def _say_not_known(self, why: str, then: str) -> None:
        text = f"{_NOT_KNOWN}: {why}"
        if self._core.problems.get(_PROBLEM, ("",))[0] != text:
            self._say(text)
        self._core.problems[_PROBLEM] = (text, f"nothing moves but away from what is dead; {then}")

    def _take(self, standing: tuple[Override, ...], undrained: Mapping[TunnelId, Instant]) -> None:
        self._standing, self._core.overrides = standing, overrides_of(standing)
        if not self._known:
            self._known = True
            self._say_kept()
            self._core.take(InForceChanged(self._core.view.in_force, self._core.now().monotonic, undrained))
        self._tell(self._core.now())

    def _say_kept(self) -> None:
        wall = self._core.now().wall
        for override in self._standing:
            self._say(f"kept from before: {announced(override, wall)}")
            if override.begins <= wall:
                self._told_begun.add(override.number)

    def _tell(self, now: Now) -> None:
        """Have decided by what the overrides mean now, and have that watched."""
        core, meaning = self._core, self._meaning
        if meaning.look(core.overrides if self._known else None, core.intent, now.wall):
            core.take(InForceChanged(meaning.in_force, core.now().monotonic))
        self._watch.look(core.overrides.drains, meaning.drained, now)

    async def _look(self) -> None:
        now = self._core.now()
        self._tell(now)
        for one in self._standing:
            if one.number not in self._told_begun and one.begins <= now.wall:
                self._told_begun.add(one.number)
                self._say(f"{named(one)} begins")
        if time.monotonic() < self._again_at:
            return
        if self._known:
            await self._end_what_is_over()
        elif self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())

    async def _end_what_is_over(self) -> None:
        if not self._ending():
            return
        async with self._turn:
            for because, ends in self._ending().items():
                numbers, at = [one.number for one in ends], self._core.now().wall.astimezone(UTC)
                try:
                    await self._write(lambda store: store.end(numbers, at, None, because))  # noqa: B023  awaited here
                except NotDoneError as error:
                    self._again_at = time.monotonic() + AGAIN_SECONDS
                    self._say(f"the end of {', '.join(map(named, ends))} is not kept, but counts: {error}")
                    return
                for one in ends:
                    self._say(f"{named(one)} is {because}")

    def _ending(self) -> dict[str, list[Override]]:
        """What time or obedience has ended, by why."""
        wall = self._core.now().wall
        found: dict[str, list[Override]] = {}
        for one in self._standing:
            if one.until is not None and one.until <= wall:
                found.setdefault("over", []).append(one)
            elif isinstance(one, Failback) and self._is_back(one.branch):
                found.setdefault("obeyed", []).append(one)
        return found

    def _on(self, branch: str) -> str:
        """The tunnels that carry it, in words."""
        verdict = self._core.verdicts[branch]
        active = (part.active for part in (verdict, *verdict.others))
        return " and ".join(dict.fromkeys(tunnel.name for tunnel in active if tunnel is not None))

    def _is_back(self, branch: str) -> bool:
        """Whether all of its traffic is where its policy prefers it, also what a rule steers by itself."""
        verdict = self._core.verdicts.get(branch)
        parts = (verdict, *verdict.others) if verdict is not None else ()
        return bool(parts) and all(part.active is not None and part.active == part.preferred for part in parts)
