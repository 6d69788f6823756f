"""`pointsman run` before it starts anything: one line that says what is wrong, and nothing is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_directories import EXAMPLE

from hub.cli import run as run_module
from hub.cli.main import main
from hub.control.lock import hold


def run(directory: Path) -> int:
    directories = ["--run-dir", str(directory / "run"), "--state-dir", str(directory / "state")]
    return main(["run", "--config", str(EXAMPLE), *directories])


def test_a_second_one_in_the_same_directory_is_refused_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_module, "_missing_capabilities", list)
    (tmp_path / "run").mkdir()
    first = hold(tmp_path / "run" / "run.lock", "the first")
    assert run(tmp_path) == 1
    said = capsys.readouterr().err
    assert '"pointsman run" is running already' in said
    assert "stop it first" in said
    assert "--run-dir" not in said  # two hubs in one network namespace would fight for ports and routes
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["run.lock"]
    os.close(first)


def test_without_capabilities_it_says_which_and_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_module, "_missing_capabilities", lambda: ["CAP_NET_ADMIN", "CAP_NET_RAW"])
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == (
        "pointsman: CAP_NET_ADMIN, CAP_NET_RAW missing: run it as root (sudo pointsman run)\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_run_directory_that_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_module, "_missing_capabilities", list)
    (tmp_path / "run").write_text("")
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == (
        f"pointsman: {tmp_path / 'run'}: File exists: run as root, or name other directories\n"
    )
