"""One script, kept at work: its file watched, its worker running, its branches' last good adjustments at hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from hub.scripts.faults import Faults
from hub.scripts.files import UnreadableScriptError, label_of, read_script
from hub.scripts.limits import Limits
from hub.scripts.lines import Answer, Failure, RefusedError, branch_json, network_json, read_answer
from hub.scripts.memory import Remembered
from hub.scripts.printed import PrintedLines
from hub.scripts.process import NotLoadedError, Worker, WorkerFailedError
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation

SLICE = 100
"""Branches whose situations are written down before the controller's loop may do something else."""


class Keeper:
    """A Keeper runs one script. `adjustments` are the last good ones; a branch that has none was not answered yet."""

    def __init__(
        self,
        directory: Callable[[], Path],
        name: str,
        limits: Limits,
        say: Callable[[str], None],
        told: Callable[[frozenset[str]], None],
        clock: Callable[[], float],
        remembered: Remembered | None,
    ) -> None:
        self.adjustments: dict[str, Adjustment | None] = dict(remembered.adjustments) if remembered else {}
        self.text: str | None = remembered.text if remembered else None
        self.faults = Faults(label_of(name), say)
        self._directory, self._name, self._limits = directory, name, limits
        self._told, self._clock = told, clock
        self._printed = PrintedLines(label_of(name), say, limits.printed_lines_a_minute, clock)
        self._say = say
        self._network: NetworkSituation | None = None
        self._branches: Mapping[str, BranchSituation] = {}
        self._asked: dict[str, BranchSituation] = {}
        self._asked_in: NetworkSituation | None = None
        self._suspects: set[str] = set()
        self._suspects_at_once = limits.branches
        self._wanted = asyncio.Event()
        self._worker: Worker | None = None
        self._seen: str | None = None
        self._seen_counts_until = 0.0
        self._wait = 0.0
        self._start_at = self._ask_at = self._look_at = 0.0
        self._questions = 0

    def want(self, network: NetworkSituation, branches: Mapping[str, BranchSituation]) -> None:
        """From now on these are the situations; what changed is asked soon."""
        if branches is self._branches and network is self._network:
            return
        self._network, self._branches = network, branches
        self._wanted.set()

    def look_soon(self) -> None:
        """Look at the file now, and not only when it is time again."""
        self._look_at = 0.0
        self._wanted.set()

    async def run(self) -> None:
        """Until it is cancelled; then its worker is ended."""
        try:
            while True:
                self._wanted.clear()
                await self._step()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._rest()):
                        await self._wanted.wait()
                await asyncio.sleep(max(0.0, self._ask_at - self._clock()))
        finally:
            await self._end()

    async def _step(self) -> None:
        try:
            if self._clock() >= self._look_at:
                self._look_at = self._clock() + self._limits.look
                await self._look()
            if self._worker is None and self.text is not None and self._clock() >= self._start_at:
                await self._restart(self.text)
            if self._worker is not None:
                await self._ask(self._worker)
        except OSError as error:
            self._failed(Failure(0, f"its process cannot be started: {error.strerror}"))
        except Exception as error:  # noqa: BLE001 - no fault of this part may end the controller
            await self._end()
            self._failed(Failure(0, f"running it failed: {type(error).__name__}: {error}"[:300]))

    def _rest(self) -> float:
        """How long there is nothing to do but what is wanted anew."""
        until = [self._look_at]
        if self._worker is None and self.text is not None:
            until.append(self._start_at)
        return max(0.01, min(until) - self._clock())

    async def _look(self) -> None:
        """Load the file's text if it is not what was seen last. What cannot be loaded leaves the code as it is."""
        try:
            text = await asyncio.to_thread(lambda: read_script(self._directory(), self._name))
        except UnreadableScriptError as error:
            self._seen = None
            self._not_loaded(Failure(error.line, str(error)), error.mend)
            return
        if text == self._seen and self._clock() < self._seen_counts_until:
            return
        if text == self.text and self._worker is not None:
            self._remember_seen(text)
            self.faults.file_is_right()
            return
        try:
            worker = await Worker.start(label_of(self._name), text, self._limits, self._printed.take)
        except NotLoadedError as error:
            slip = error.slips[0]
            self._not_loaded(Failure(slip.line, slip.text), slip.mend)
            self._remember_seen(text)
        except WorkerFailedError as error:
            self._not_loaded(error.failure, "make what it does when it is loaded short")
            self._remember_seen(text, self._limits.longest_wait)
        else:
            self._remember_seen(text)
            await self._replace(worker, text)

    def _remember_seen(self, text: str, seconds: float = math.inf) -> None:
        """This text is not looked at again before so many seconds."""
        self._seen, self._seen_counts_until = text, self._clock() + seconds

    def _not_loaded(self, failure: Failure, mend: str) -> None:
        """Say so; the code before it goes on."""
        self.faults.file_is_wrong(failure.line, failure.text, mend, code_before=self.text is not None)

    async def _replace(self, worker: Worker, text: str) -> None:
        await self._end()
        fresh = text != self.text
        self._worker, self.text = worker, text
        if fresh:
            self._asked, self._asked_in = {}, None
            self._suspects, self._wait = set(), 0.0
            self.faults.forget()
            self._say(f"{label_of(self._name)}: loaded")
            self._told(frozenset())  # there is something new to be remembered
        self.faults.file_is_right()

    async def _restart(self, text: str) -> None:
        """Start the last good code again."""
        try:
            worker = await Worker.start(label_of(self._name), text, self._limits, self._printed.take)
        except NotLoadedError as error:
            slip = error.slips[0]
            self._failed(Failure(slip.line, slip.text))
        except WorkerFailedError as error:
            self._failed(error.failure)
        else:
            self._worker = worker

    async def _ask(self, worker: Worker) -> None:
        """Ask about the branches whose situation is another one than was asked about last."""
        network = self._network
        if network is None:
            return
        if network != self._asked_in:
            self._asked, self._asked_in = {}, network
        due = await self._due(dict(self._branches))
        self._ask_at = self._clock() + self._limits.pause
        for batch in self._batches(due):
            try:
                answer = await self._question(worker, network, batch)
            except WorkerFailedError as error:
                await self._end()
                self._failed(error.failure)
                self._suspect(batch, error.failure)
                return
            self._asked |= batch
            self._suspects -= batch.keys()
            self._take(answer)

    def _batches(self, due: list[BranchSituation]) -> Iterator[dict[str, BranchSituation]]:
        """What is asked at once. The branches of a question that was the end of a worker come last, and fewer."""
        groups = (
            ([branch for branch in due if branch.name not in self._suspects], self._limits.branches),
            ([branch for branch in due if branch.name in self._suspects], self._suspects_at_once),
        )
        for branches, most in groups:
            for first in range(0, len(branches), most):
                yield {branch.name: branch for branch in branches[first : first + most]}

    def _suspect(self, batch: dict[str, BranchSituation], failure: Failure) -> None:
        """Find the branch for which the script fails so, by halves; it is asked about again when it has changed."""
        self._suspects |= batch.keys()
        self._suspects_at_once = max(1, len(batch) // 2)
        if len(batch) == 1:
            self._asked |= batch
            self.faults.answered(frozenset(), dict.fromkeys(batch, failure))

    async def _due(self, every: Mapping[str, BranchSituation]) -> list[BranchSituation]:
        self._asked = {name: asked for name, asked in self._asked.items() if name in every}
        due = []
        for number, (name, branch) in enumerate(every.items(), 1):
            if self._asked.get(name) != branch:
                due.append(branch)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return due

    async def _question(
        self, worker: Worker, network: NetworkSituation, batch: Mapping[str, BranchSituation]
    ) -> Answer:
        self._questions += 1
        parts: list[str] = []
        for number, branch in enumerate(batch.values(), 1):
            parts.append(json.dumps(branch_json(branch)))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        told = f'{{"ask": {self._questions}, "network": {json.dumps(network_json(network))}, "branches": ['
        line = f"{told}{', '.join(parts)}]}}\n".encode()
        said = await worker.ask(line, self._limits.answer)
        try:
            return read_answer(said, self._questions, batch)
        except RefusedError as error:
            raise WorkerFailedError(f"its worker {error}") from None

    def _take(self, answer: Answer) -> None:
        """Take an answer; a branch that failed keeps its last good adjustment."""
        if answer.refused is not None:
            self.faults.script_is_wrong(answer.refused)
            return
        self._wait = 0.0
        self.faults.answered(frozenset(answer.adjustments), answer.failed)
        changed = {n for n, a in answer.adjustments.items() if n not in self.adjustments or self.adjustments[n] != a}
        if changed:
            self.adjustments |= answer.adjustments
            self._told(frozenset(changed))

    def _failed(self, failure: Failure) -> None:
        """The worker is gone, by the script's fault: try again later, and later each time."""
        self.faults.script_is_wrong(failure)
        self._wait = min(self._limits.longest_wait, max(self._limits.first_wait, self._wait * 2))
        self._start_at = self._clock() + self._wait

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()
