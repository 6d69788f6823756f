"""The observer asks everything at its own pace; what hangs or crashes delays nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from small_network import a_branch, a_network
from waiting import until

from hub.observe import observer as module
from hub.observe.observer import Observer
from policies.model.events import ChecksTaken, Event
from policies.model.intent import Intent
from policies.model.targets import Check, CheckKey, Outcome, Question, Run, TcpConnect, Timing, Via

QUICK = Timing(timedelta(milliseconds=100), timedelta(milliseconds=100))
PATIENT = Timing(timedelta(seconds=60), timedelta(seconds=30))


def asks(name: str, question: Question, timing: Timing = QUICK, via: Via = Via.ACTIVE) -> Check:
    return Check(name, question, timing, via)


def network(*checks: Check) -> Intent:
    return a_network(replace(a_branch("bandung"), targets=checks))


class Heard:
    """What an observer told."""

    def __init__(self) -> None:
        self.events: list[ChecksTaken] = []

    def take(self, event: Event) -> None:
        assert isinstance(event, ChecksTaken)
        self.events.append(event)

    def outcomes(self, name: str) -> list[Outcome]:
        return [result.outcome for event in self.events for result in event.results if result.key.check == name]


@contextlib.asynccontextmanager
async def observing(intent: Intent, directory: Path) -> AsyncIterator[tuple[Observer, Heard]]:
    heard = Heard()
    observer = Observer(intent, directory, heard.take)
    running = asyncio.create_task(observer.run())
    try:
        yield observer, heard
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def listening() -> Iterator[TcpConnect]:
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    yield TcpConnect(ip_address("127.0.0.1"), server.getsockname()[1])
    server.close()


REFUSED = TcpConnect(ip_address("127.0.0.1"), 1)


def test_everything_is_asked_again_and_again(tmp_path: Path, listening: TcpConnect) -> None:
    async def observe() -> None:
        async with observing(network(asks("erp", listening), asks("old", REFUSED)), tmp_path) as (_, heard):
            await until(lambda: len(heard.outcomes("erp")) > 3 and len(heard.outcomes("old")) > 3)
            assert set(heard.outcomes("erp")) == {Outcome.ANSWERED}
            assert set(heard.outcomes("old")) == {Outcome.FAILED}

    asyncio.run(observe())


def test_checks_that_hang_delay_nothing_else(tmp_path: Path, listening: TcpConnect) -> None:
    hanging = tmp_path / "hang.sh"
    hanging.write_text("#!/bin/sh\nsleep 1000\n")
    hanging.chmod(0o755)
    fine = tmp_path / "fine.sh"
    fine.write_text("#!/bin/sh\n")
    fine.chmod(0o755)
    slow = [asks(f"hang{n}", Run("hang.sh"), replace(PATIENT, interval=timedelta(milliseconds=1))) for n in range(50)]
    quick = Timing(timedelta(milliseconds=100), timedelta(seconds=20))

    async def observe() -> None:
        intent = network(*slow, asks("erp", listening), asks("fine", Run("fine.sh"), quick))
        async with observing(intent, tmp_path) as (_, heard):
            await until(lambda: len(heard.outcomes("erp")) > 3 and len(heard.outcomes("fine")) > 3)
            assert heard.outcomes("hang0") == []
            assert set(heard.outcomes("fine")) == {Outcome.ANSWERED}

    asyncio.run(observe())


def test_an_asking_that_crashes_is_not_known_and_delays_nothing_else(
    tmp_path: Path, listening: TcpConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(module.programs, "run", crash)

    async def observe() -> None:
        async with observing(network(asks("erp", listening), asks("bad", Run("bad.sh"))), tmp_path) as (_, heard):
            await until(lambda: len(heard.outcomes("erp")) > 2 and len(heard.outcomes("bad")) > 2)
            (result,) = [r for event in heard.events[:5] for r in event.results if r.key.check == "bad"][:1]
            assert (result.outcome, result.text) == (Outcome.UNKNOWN, "asking failed: ZeroDivisionError: oh")

    asyncio.run(observe())


def test_a_missing_program_is_not_known(tmp_path: Path) -> None:
    async def observe() -> None:
        async with observing(network(asks("gone", Run("gone.sh"))), tmp_path) as (_, heard):
            await until(lambda: heard.outcomes("gone"))
            assert set(heard.outcomes("gone")) == {Outcome.UNKNOWN}

    asyncio.run(observe())


def test_what_changes_is_forgotten_and_asked_anew_and_what_stays_is_not(tmp_path: Path, listening: TcpConnect) -> None:
    async def observe() -> None:
        before = network(asks("same", listening), asks("moved", listening), asks("gone", listening))
        async with observing(before, tmp_path) as (observer, heard):
            await until(lambda: all(heard.outcomes(name) for name in ("same", "moved", "gone")))
            observer.reconfigure(network(asks("same", listening), asks("moved", REFUSED)))
            await until(lambda: any(event.gone for event in heard.events))
            marks = [event for event in heard.events if event.gone]
            assert [event.gone for event in marks] == [
                frozenset({CheckKey("bandung", "moved"), CheckKey("bandung", "gone")})
            ]
            position = heard.events.index(marks[0])
            await until(lambda: len(heard.outcomes("same")) > 5 and Outcome.FAILED in heard.outcomes("moved"))
            later = [result for event in heard.events[position:] for result in event.results]
            assert {result.key.check for result in later} == {"same", "moved"}
            assert {result.outcome for result in later if result.key.check == "moved"} == {Outcome.FAILED}

    asyncio.run(observe())


def test_a_network_without_targets_asks_nothing_until_it_has_some(tmp_path: Path, listening: TcpConnect) -> None:
    async def observe() -> None:
        async with observing(network(), tmp_path) as (observer, heard):
            await asyncio.sleep(0)
            observer.reconfigure(network(asks("erp", listening)))
            await until(lambda: heard.outcomes("erp"))

    asyncio.run(observe())
