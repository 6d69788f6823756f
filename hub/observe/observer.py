"""The observer: asks what the configuration says, each thing at its own pace, and tells what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_never

from hub.observe import programs
from hub.observe.answer import Answer, CannotAskError, failed, of_error
from hub.observe.asking import Asking, askings, changed
from hub.observe.custom import to_environment
from hub.observe.dns_query import query
from hub.observe.http_get import get
from hub.observe.icmp_echo import ping
from hub.observe.tcp_connect import connect
from policies.model.clock import Instant
from policies.model.events import ChecksTaken, Event
from policies.model.intent import Intent
from policies.model.targets import CheckKey, CheckResult, DnsQuery, HttpGet, Outcome, Ping, Run, TcpConnect

AT_ONCE = 500
"""Sockets that wait for an answer at the same time; who comes later waits for its turn, and delays only itself."""
THREADS = 32
"""HTTP requests at the same time."""
PROGRAMS, PROGRAMS_EACH = 16, 2
"""Custom checks that run at the same time, and how many of them may be the same one."""
TELL_SECONDS = 0.1
"""Results are told together, this long after the first of them."""
FIRST_SECONDS = 10.0
"""Within this time after the start everything has been asked once."""
_MEND = "a fault of Pointsman: please report it"


class Observer:
    """An Observer asks everything that is configured, for ever, and delays nobody by it.

    The files of custom checks are in `copy`, that of the configuration in force, or else in `directory`, the
    configuration's own. `take` gets the events.
    """

    def __init__(
        self,
        intent: Intent,
        directory: Path,
        take: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
        copy: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._askings = askings(intent)
        self._directory, self._copy = directory, copy
        self._take = take
        self._clock = clock
        self._due: list[tuple[float, CheckKey]] = []
        self._planned: dict[CheckKey, float] = {}
        self._running: dict[CheckKey, asyncio.Task[None]] = {}
        self._results: list[CheckResult] = []
        self._telling: asyncio.TimerHandle | None = None
        self._wanted: Intent | None = None
        self._changed = asyncio.Event()
        self._sockets = asyncio.Semaphore(AT_ONCE)
        self._requests = asyncio.Semaphore(THREADS)
        self._programs = asyncio.Semaphore(PROGRAMS)
        self._same: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PROGRAMS_EACH))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
        self._starters = ThreadPoolExecutor(PROGRAMS, thread_name_prefix="check")

    async def run(self) -> None:
        """Ask what is due, until cancelled; nothing that was started is left then."""
        self._plan(self._askings)
        try:
            while True:
                self._changed.clear()
                if self._wanted is not None:
                    wanted, self._wanted = self._wanted, None
                    await self._take_over(wanted)
                self._start_due()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._until_next()):
                        await self._changed.wait()
        finally:
            await self._stop()
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._starters.shutdown(wait=False)  # what was killed is still waited for there

    def reconfigure(self, intent: Intent) -> None:
        """Ask by this configuration soon; what stays the same keeps its pace and its standing."""
        self._wanted = intent
        self._changed.set()

    async def _take_over(self, intent: Intent) -> None:
        """What is asked is worked out in a thread: thousands of things take longer than the loop may be held."""
        self._askings, gone, fresh = await asyncio.to_thread(changed, self._askings, intent)
        for key in gone:
            self._planned.pop(key, None)
            if (task := self._running.pop(key, None)) is not None:
                task.cancel()
        self._results = [result for result in self._results if result.key not in gone]
        if gone:
            self._take(ChecksTaken(gone=gone))
        self._plan(fresh)

    def _plan(self, fresh: Iterable[CheckKey]) -> None:
        now = self._clock()
        for key in fresh:
            asking = self._askings[key]
            spread = min(asking.check.timing.interval.total_seconds(), FIRST_SECONDS)
            self._set_due(key, now + asking.phase * spread)

    def _set_due(self, key: CheckKey, at: float) -> None:
        self._planned[key] = at
        heapq.heappush(self._due, (at, key))

    def _until_next(self) -> float | None:
        return max(0.0, self._due[0][0] - self._clock()) if self._due else None

    def _start_due(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            at, key = heapq.heappop(self._due)
            if self._planned.get(key) == at:
                asking = self._askings[key]
                self._running[key] = asyncio.create_task(self._ask_and_plan(asking, at), name=f"asking {key}")

    async def _ask_and_plan(self, asking: Asking, at: float) -> None:
        """Ask once, and again an interval after this one was due; what took too long misses its turns."""
        answer = await self._ask(asking)
        now, interval = self._clock(), asking.check.timing.interval.total_seconds()
        self._tell(
            CheckResult(
                asking.key,
                answer.outcome,
                Instant(now),
                asking.check.timing,
                answer.round_trip,
                answer.text,
                answer.mend,
            )
        )
        self._running.pop(asking.key, None)
        self._set_due(asking.key, at + interval * (1 + max(0.0, now - at) // interval))
        self._changed.set()

    async def _ask(self, asking: Asking) -> Answer:
        timeout = asking.check.timing.timeout.total_seconds()
        try:
            if isinstance(asking.check.question, Run):
                return await self._run_program(asking, asking.check.question, timeout)
            slots = self._requests if isinstance(asking.check.question, HttpGet) else self._sockets
            async with slots, asyncio.timeout(timeout):
                return await self._question(asking, timeout)
        except TimeoutError:
            return failed(f"no answer in {timeout:g} s")
        except CannotAskError as error:
            return error.answer()
        except OSError as error:
            return of_error(error)
        except Exception as error:  # noqa: BLE001 - whatever one asking runs into, the others go on
            return Answer(Outcome.UNKNOWN, text=f"asking failed: {type(error).__name__}: {error}", mend=_MEND)

    async def _question(self, asking: Asking, timeout: float) -> Answer:  # noqa: ASYNC109
        question = asking.check.question
        match question:
            case Ping():
                return await ping(question, asking.way)
            case TcpConnect():
                return await connect(question, asking.way)
            case HttpGet():
                return await get(question, asking.way, timeout, self._threads)
            case DnsQuery():
                return await query(question, asking.way)
            case Run():
                raise TypeError("a program is run, not asked")
            case _:
                assert_never(question)

    async def _run_program(self, asking: Asking, question: Run, timeout: float) -> Answer:  # noqa: ASYNC109
        environment = to_environment(asking.context) if asking.context is not None else {}
        async with self._same[question.file], self._programs:
            directories = (copy, self._directory) if (copy := self._copy()) is not None else (self._directory,)
            return await programs.run(question, directories, environment, timeout, self._starters)

    def _tell(self, result: CheckResult) -> None:
        self._results.append(result)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        results, self._results = tuple(self._results), []
        if results:
            self._take(ChecksTaken(results))

    async def _stop(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._telling is not None:
            self._telling.cancel()
