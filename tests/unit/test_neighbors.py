"""ExaBGP's neighbors: what it did not take is said, and tried again until it takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from bgp_network import network

from hub.bgp.reload import Outcome, Site
from hub.control.places import Places
from hub.controller import neighbors as neighbors_module
from hub.controller.neighbors import Neighbors


def outcomes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: Sequence[Outcome]) -> tuple[list[str], Any]:
    """Reconfigure until all these outcomes were had; what was said, and the problems that are left."""
    monkeypatch.setattr(neighbors_module, "AGAIN_SECONDS", 0.01)
    said: list[str] = []
    loop = SimpleNamespace(problems={})
    left = list(wanted)
    had = asyncio.Event()

    async def reconfigure(*_: object, **__: object) -> Outcome:
        outcome = left.pop(0)
        if not left:
            had.set()
        return outcome

    async def scene() -> None:
        monkeypatch.setattr(neighbors_module, "reconfigure", reconfigure)
        site = Site(Places(run=tmp_path))
        task = asyncio.create_task(Neighbors(cast("Any", None), site, cast("Any", loop), network(1), said.append).run())
        await asyncio.wait_for(had.wait(), 20)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
    return said, loop.problems


def test_a_refused_configuration_is_tried_again_until_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = Outcome(("No space left on device",), taken=False)
    said, problems = outcomes(monkeypatch, tmp_path, [refused, refused, Outcome()])
    assert said == ["No space left on device", "ExaBGP has the neighbors that are wanted"]
    assert problems == {}


def test_while_it_is_refused_the_problem_stands_with_its_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said, problems = outcomes(monkeypatch, tmp_path, [Outcome(("ExaBGP refuses it",), taken=False)])
    assert said == ["ExaBGP refuses it"]
    assert problems == {"exabgp neighbors": ("ExaBGP refuses it", "tried again every few seconds; see ExaBGP's log")}


def test_a_process_that_does_not_answer_is_said_and_asked_again_but_is_no_second_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = Outcome(unanswered=(2,))
    said, problems = outcomes(monkeypatch, tmp_path, [silent, silent, Outcome()])
    assert said == [
        "ExaBGP 2 does not answer: its neighbors are looked at when it does",
        "ExaBGP has the neighbors that are wanted",
    ]
    assert problems == {}


def test_a_configuration_that_somebody_removes_is_written_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(neighbors_module, "LOOK_SECONDS", 0.01)
    said, _ = outcomes(monkeypatch, tmp_path, [Outcome(), Outcome()])
    assert said == []


def test_what_an_apply_was_refused_does_not_come_into_force_later_by_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(neighbors_module, "AGAIN_SECONDS", 0.01)
    present, proposed = network(1), network(2)
    asked: list[Any] = []
    refused = Outcome(("the password cannot be read",), taken=False)

    async def reconfigure(_speakers: object, _before: object, wanted: object, *_: object, **__: object) -> Outcome:
        asked.append(wanted)
        return refused if wanted is proposed else Outcome()

    async def scene() -> None:
        monkeypatch.setattr(neighbors_module, "reconfigure", reconfigure)
        loop = SimpleNamespace(problems={})
        parts = (cast("Any", None), Site(Places(run=tmp_path)), cast("Any", loop), present, [].append)
        neighbors = Neighbors(*parts)
        task = asyncio.create_task(neighbors.run())
        assert not (await asyncio.wait_for(neighbors.take(proposed), 20)).taken
        while asked[-1] is proposed:  # noqa: ASYNC110 - what it does next has no event
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(scene(), 20))
    assert asked.count(proposed) == 1
