"""Scripts and checks run as they are in the copy in force: an edit counts when it is applied, and not before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import small_network
from script_rig import HEAD, Rig, a_branch, under, until
from test_observer import Heard

from hub.config.applied import in_force, put_in_force, says_the_same, stage
from hub.observe.observer import Observer
from hub.observe.programs import place_of
from policies.model.targets import Check, Outcome, Run, Timing, Via

SAYS = HEAD + 'def adjust(branch, network):\n    return Adjustment(prefer=("lte",), reason="{}")\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    directory = tmp_path / "config"
    for folder in ("checks", "policies", "branches"):
        (directory / folder).mkdir(parents=True)
    return directory


def write_check(config: Path, status: int) -> None:
    file = config / "checks" / "backup.sh"
    file.write_text(f"#!/bin/sh\n. checks/known.sh\nexit {status}\n")
    file.chmod(0o755)
    (config / "checks" / "known.sh").write_text("true\n")


def test_all_below_checks_is_in_the_copy_with_its_mode(config: Path, tmp_path: Path) -> None:
    write_check(config, 0)
    (config / "checks" / "data").mkdir()
    (config / "checks" / "data" / "list.txt").write_text("a")
    copy = put_in_force(stage(config, tmp_path / "state"))
    assert (copy / "checks" / "backup.sh").stat().st_mode & 0o777 == 0o755
    assert (copy / "checks" / "data" / "list.txt").read_text() == "a"
    assert says_the_same(config, copy)
    write_check(config, 1)
    assert not says_the_same(config, copy)


@pytest.mark.parametrize("name", [".backup.sh.swp", "backup.sh~", "__pycache__/lag.pyc", ".git/HEAD"])
def test_what_editors_and_python_leave_there_is_not(config: Path, tmp_path: Path, name: str) -> None:
    file = config / "checks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("x")
    assert not (put_in_force(stage(config, tmp_path / "state")) / "checks").exists()


def test_a_check_that_was_edited_runs_as_it_was_until_that_is_applied(config: Path, tmp_path: Path) -> None:
    timing = Timing(interval=timedelta(milliseconds=20), timeout=timedelta(seconds=10))
    check = Check("backup", Run("checks/backup.sh"), timing, Via.ACTIVE)
    intent = small_network.a_network(replace(small_network.a_branch(), targets=(check,)))
    state, heard = tmp_path / "state", Heard()

    async def scene() -> None:
        write_check(config, 0)
        put_in_force(stage(config, state))
        write_check(config, 1)
        observer = Observer(intent, config, heard.take, copy=lambda: in_force(config, state))
        task = asyncio.create_task(observer.run())
        try:
            await until(lambda: len(heard.outcomes("backup")) >= 3)
            assert set(heard.outcomes("backup")) == {Outcome.ANSWERED}
            put_in_force(stage(config, state))
            await until(lambda: heard.outcomes("backup")[-1] is Outcome.FAILED)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("file", "place"),
    [("checks/a.sh", "copy"), ("tools/b.sh", "config"), ("/bin/true", "config"), ("checks/gone.sh", "config")],
)
def test_what_is_not_in_the_copy_runs_where_the_files_are(tmp_path: Path, file: str, place: str) -> None:
    for existing in ("copy/checks/a.sh", "config/checks/a.sh", "config/tools/b.sh"):
        (tmp_path / existing).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / existing).touch()
    assert place_of(file, (tmp_path / "copy", tmp_path / "config")).name == place


def test_a_script_that_was_edited_goes_on_as_it_was_until_that_is_applied(config: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    file = config / "policies" / "lte.py"

    async def scene() -> None:
        file.write_text(SAYS.format("before"))
        put_in_force(stage(config, state))
        file.write_text(SAYS.format("after"))
        rig = Rig(tmp_path, source=lambda: in_force(config, state) or config)
        async with rig.running():
            rig.want(under("lte.py", a_branch()))
            await until(lambda: rig.reasons() == {"bandung": "before"})
            assert rig.said == ["policies/lte.py: loaded"]
            put_in_force(stage(config, state))
            rig.scripts.reconfigured()
            await until(lambda: rig.reasons() == {"bandung": "after"})

    asyncio.run(scene())
