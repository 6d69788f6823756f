"""All policy scripts of a hub, for the controller's loop.

    loop -- want(situations) --> Scripts -- one keeper a script --> worker processes
    loop <-- told(branches) ---- Scripts      (then take `changes`, and decide these branches again)

The loop never waits: it decides with the adjustments that are there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.scripts.keeper import Keeper
from hub.scripts.limits import LIMITS, Limits
from hub.scripts.memory import Remembered, memory_text, read_memory, write_memory
from policies.model.policy import RuleChange
from policies.scripts.api import Adjustment, BranchSituation
from policies.scripts.situation import Situations

REMEMBER_SECONDS = 1.0
"""How long after something new was said it is kept, with all that was said meanwhile."""


class Scripts:
    """A Scripts runs the scripts that are wanted and has their last good adjustments."""

    def __init__(
        self,
        directory: Callable[[], Path],
        memory: Path | None,
        say: Callable[[str], None],
        told: Callable[[frozenset[str]], None],
        limits: Limits = LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`directory` is the configuration in force, whose `policies/` has the files; `memory` outlives a restart.

        `told` is called with the branches for which something else is said now.
        """
        self._directory, self._memory = directory, memory
        self._say, self._told, self._limits, self._clock = say, told, limits, clock
        self._remembered = read_memory(memory) if memory is not None else {}
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._under: Mapping[str, Mapping[str, BranchSituation]] = {}
        self._adjustments: dict[str, Adjustment] | None = None
        self._changed, self._said_anew = asyncio.Event(), asyncio.Event()
        self._written = memory_text({})
        self._unwritable: str | None = None

    def want(self, situations: Situations) -> None:
        """These situations count from now on. Only what changed is asked; returns at once."""
        moved = any(
            self._under.get(script, {}).keys() != branches.keys() for script, branches in situations.by_script.items()
        )
        if moved or self._under.keys() != situations.by_script.keys():
            self._adjustments = None
            self._follow(situations)
        self._under = situations.by_script
        for script, branches in situations.by_script.items():
            self._keepers[script].want(situations.network, branches)

    def _follow(self, situations: Situations) -> None:
        """Have a keeper for every script that is wanted."""
        for script in situations.by_script.keys() - self._keepers.keys():
            self._keepers[script] = Keeper(
                self._directory,
                script,
                self._limits,
                self._say,
                self._hear,
                self._clock,
                self._remembered.get(script),
            )
        for script, branches in situations.by_script.items():
            self._keepers[script].faults.keep(frozenset(branches))
        self._changed.set()

    def reconfigured(self) -> None:
        """Another configuration is in force: its files are looked at now."""
        for keeper in self._keepers.values():
            keeper.look_soon()

    def _hear(self, branches: frozenset[str]) -> None:
        self._adjustments = None
        self._said_anew.set()
        if branches:
            self._told(branches)

    @property
    def adjustments(self) -> Mapping[str, Adjustment]:
        """The last good adjustments, by branch; a branch whose script says nothing, or never did, has none."""
        if self._adjustments is None:
            self._adjustments = {
                branch: adjustment
                for script, branches in self._under.items()
                for branch in branches
                if (adjustment := self._keepers[script].adjustments.get(branch)) is not None
            }
        return self._adjustments

    @property
    def changes(self) -> Mapping[str, RuleChange]:
        """The same as the core takes it (`policies.model.events.Adjusted`)."""
        return {branch: adjustment.change for branch, adjustment in self.adjustments.items()}

    @property
    def problems(self) -> Mapping[str, tuple[str, str]]:
        """What is wrong with the scripts that are wanted, each with its mend."""
        found: dict[str, tuple[str, str]] = {}
        for script in self._under:
            found |= self._keepers[script].faults.problems
        if self._unwritable is not None:
            found["script:memory"] = (self._unwritable, "make it writable, or make room there")
        return found

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened how often since the start."""
        counted: Counter[str] = Counter()
        for keeper in self._keepers.values():
            counted += keeper.faults.counters
        return counted

    async def run(self) -> None:
        """Run what is wanted, until cancelled; then no worker is left."""
        async with asyncio.TaskGroup() as group:
            if self._memory is not None:
                group.create_task(self._remember(self._memory), name="memory of scripts")
            while True:
                await self._changed.wait()
                self._changed.clear()
                for script in self._keepers.keys() - self._tasks.keys():
                    self._tasks[script] = group.create_task(self._keepers[script].run(), name=f"script {script}")
                for script in self._tasks.keys() - self._under.keys():
                    self._tasks.pop(script).cancel()
                    self._remembered.pop(script, None)
                    del self._keepers[script]
                self._said_anew.set()

    async def _remember(self, file: Path) -> None:
        """Keep what is said, a moment after it was said and when all ends."""
        try:
            while True:
                await self._said_anew.wait()
                await asyncio.sleep(REMEMBER_SECONDS)
                self._said_anew.clear()
                text = memory_text(self._kept())
                if text != self._written:
                    await asyncio.to_thread(self._write, file, text)
        finally:
            if (text := memory_text(self._kept())) != self._written:
                self._write(file, text)

    def _write(self, file: Path, text: str) -> None:
        try:
            write_memory(file, text)
        except OSError as error:
            self._unwritable = f"{file}: {error.strerror}: what scripts said is not kept over a restart"
        else:
            self._written, self._unwritable = text, None

    def _kept(self) -> dict[str, Remembered]:
        return {
            name: Remembered(keeper.text, {b: a for b, a in keeper.adjustments.items() if b in self._under[name]})
            for name, keeper in self._keepers.items()
            if keeper.text is not None and name in self._under
        }
