"""The configuration in force survives what is done to the files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hub.config import read
from hub.config.applied import in_force, put_in_force, stage

EXAMPLE = Path(__file__).parents[2] / "config" / "eight-branches"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "config"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_nothing_is_in_force_before_the_first_time(directory: Path, state: Path) -> None:
    assert in_force(directory, state) is None


def test_what_was_put_in_force_says_the_same_as_the_files_did(directory: Path, state: Path) -> None:
    before = read(directory)
    put_in_force(stage(directory, state))
    shutil.rmtree(directory)
    kept = in_force(directory, state)
    assert kept is not None
    assert read(kept).intent == before.intent


def test_a_copy_that_is_only_staged_does_not_count(directory: Path, state: Path) -> None:
    put_in_force(stage(directory, state))
    (directory / "branches" / "bandung.yaml").unlink()
    stage(directory, state)
    kept = in_force(directory, state)
    assert kept is not None
    assert (kept / "branches" / "bandung.yaml").exists()


def test_it_can_be_replaced_again_and_again(directory: Path, state: Path) -> None:
    for number in range(4):
        (directory / "branches" / "bandung.yaml").write_text(f"as: {number}\n")
        put_in_force(stage(directory, state))
        kept = in_force(directory, state)
        assert kept is not None
        assert (kept / "branches" / "bandung.yaml").read_text() == f"as: {number}\n"


def test_that_of_another_directory_is_not_ours(directory: Path, state: Path, tmp_path: Path) -> None:
    put_in_force(stage(directory, state))
    assert in_force(tmp_path / "elsewhere", state) is None


def test_what_counts_is_on_the_disk_before_it_counts(
    directory: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the rename must find the files' content there, not only their names."""
    flushed: set[Path] = set()
    renamed: list[Path] = []
    rename = Path.rename

    def fsync(descriptor: int) -> None:
        flushed.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    def watched(path: Path, target: Path) -> Path:
        if not renamed:
            assert {*path.rglob("*"), path} <= flushed
        renamed.append(target)
        flushed.discard(state)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", watched)
    put_in_force(stage(directory, state))
    assert renamed[-1] == state / "applied"
    assert state in flushed
