"""What scripts said last outlives the controller."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from script_rig import (
    PREFER_LTE,
    Rig,
    a_branch,
    under,
    until,
)

from hub.scripts.memory import read_memory
from policies.scripts.api import Adjustment


def test_what_was_said_last_outlives_the_controller(tmp_path: Path) -> None:
    memory = tmp_path / "scripts.json"

    async def first() -> None:
        async with Rig(tmp_path, memory=memory).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(lambda: memory.exists() and '"bandung"' in memory.read_text())

    async def second() -> None:
        rig = Rig(tmp_path, memory=memory)
        rig.write("lte.py", "half of an ed")
        rig.want(under("lte.py", a_branch()))
        assert rig.reasons() == {"bandung": "always lte"}
        async with rig.running():
            rig.want(under("lte.py", a_branch("bandung"), a_branch("bogor")))
            await until(lambda: rig.reasons() == {"bandung": "always lte", "bogor": "always lte"})
            assert "policies/lte.py:1: is no Python" in rig.texts()
            assert "the code before it goes on" in rig.texts()

    asyncio.run(first())
    asyncio.run(second())


def test_what_was_said_in_the_last_moment_is_kept_when_the_controller_stops(tmp_path: Path) -> None:
    memory = tmp_path / "scripts.json"

    async def scene() -> None:
        async with Rig(tmp_path, memory=memory).running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(rig.reasons)

    asyncio.run(scene())
    assert read_memory(memory)["lte.py"].adjustments == {"bandung": Adjustment(reason="always lte", prefer=("lte",))}


def test_a_memory_that_cannot_be_written_is_a_problem_and_stops_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Rig(tmp_path, memory=tmp_path / "nowhere" / "scripts.json").running() as rig:
            rig.write("lte.py", PREFER_LTE)
            rig.want(under("lte.py", a_branch()))
            await until(lambda: "script:memory" in rig.scripts.problems)
            assert rig.reasons() == {"bandung": "always lte"}

    asyncio.run(scene())


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"version": 1}', '{"version": 2, "scripts": {}}', '{"version": 1, "scripts": {"lte.py": 3}}'],
)
def test_a_memory_that_is_not_understood_is_none(tmp_path: Path, content: str) -> None:
    memory = tmp_path / "scripts.json"
    memory.write_text(content)
    rig = Rig(tmp_path, memory=memory)
    rig.want(under("lte.py", a_branch()))
    assert not rig.scripts.adjustments
