"""The command line as a shell starts it: pipes that close, encodings that are small, which hub is meant."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from config_directories import EXAMPLE

from hub.cli.main import main
from hub.cli.where import lab_of, running_hub
from hub.control.places import Places
from hub.lab.names import HOME_VARIABLE


def started(*arguments: str, stdout: int, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hub.cli.main", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **environment}, cwd=root)


@pytest.mark.parametrize("arguments", [["check", str(EXAMPLE)], ["schema"], ["--help"], ["lab", "--help"]])
def test_a_reader_who_went_away_is_no_fault(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = started(*arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_the_encoding_lacks_is_a_question_mark(tmp_path: Path) -> None:
    named = tmp_path / "│"
    done = started("check", str(named), stdout=subprocess.PIPE, PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert f"there is no directory {tmp_path}/?".encode("latin-1") in done.stdout


@pytest.mark.parametrize("command", [["status"], ["why", "bandung"]])
def test_where_no_hub_runs_the_mend_is_the_same(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--run-dir", str(tmp_path)]) == 3
    mend = capsys.readouterr().err.splitlines()[1]
    assert mend == '    mend: start it with "pointsman run", or a lab with "pointsman lab up"'


@pytest.mark.parametrize("command", [["status"], ["why", "bandung"], ["plan"], ["apply"]])
@pytest.mark.parametrize("waiting", [0, 5], ids=["it never answers", "no more may wait"])
def test_a_controller_that_does_not_answer_is_not_taken_for_one_that_is_not_there(
    command: list[str],
    waiting: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if command == ["apply"]:
        monkeypatch.setattr("hub.cli.apply.patience", lambda _: 0.05)
    else:
        monkeypatch.setattr(f"hub.cli.{command[0]}.PATIENCE_SECONDS", 0.05)
    path = str(tmp_path / "control.sock")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(2)
        for _ in range(waiting):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(path)
        assert main([*command, "--run-dir", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert said.startswith("pointsman: the controller is running, but ")
    assert "mend: ask again" in said
    assert ("says whether it was applied" in said) == (command == ["apply"])


@pytest.mark.parametrize("command", [["status"], ["why", "bandung"]])
def test_a_labs_hub_is_named_by_the_lab(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert main([*command, "--name", "second"]) == 3
    said = capsys.readouterr().err
    assert f"{tmp_path}/second/run/control.sock" in said
    assert '    mend: build the lab with "pointsman lab up --name second"' in said


def test_a_lab_and_a_directory_exclude_each_other() -> None:
    with pytest.raises(SystemExit) as error:
        main(["status", "--name", "second", "--run-dir", "/run/pointsman"])
    assert error.value.code == 2


def test_a_hub_is_a_labs_if_its_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    place = running_hub(argparse.Namespace(run_dir=None, name="second"))
    assert lab_of(place) is None
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "lab.json").write_text("{}")
    assert lab_of(place) == "second"
    assert lab_of(Places()) is None
