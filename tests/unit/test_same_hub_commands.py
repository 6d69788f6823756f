"""What commands print beside their answer names the hub that was named, too: notes, faults and mends."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from override_rig import Rig

from hub.cli import saying
from hub.cli.main import main
from hub.cli.saying import show_notes

FREEZE, SWITCH = ("freeze",), ("switch", "bandung", "--to", "wireless")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    with rig.running():
        yield rig


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A controller that takes questions and answers none."""
    monkeypatch.setattr(saying, "PATIENCE_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "control.sock"))
        listening.listen()
        yield tmp_path


@pytest.mark.parametrize("arguments", [FREEZE, SWITCH, ("unfreeze",), ("unswitch", "bandung"), ("overrides",)])
def test_what_a_controller_that_does_not_answer_is_asked_afterwards(
    silent: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main([*arguments, "--run-dir", str(silent)]) == 3
    assert f'"pointsman overrides --run-dir {silent}" says whether it was taken' in capsys.readouterr().err


def test_an_empty_list_of_overrides_says_where_those_that_are_over_are(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["overrides", "--run-dir", str(rig.place)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f'"pointsman overrides --run-dir {rig.place} --all" has those that are over' in said


def test_a_reason_stays_as_it_was_said(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    named = ("--run-dir", str(rig.place))
    assert main(["freeze", "--reason", "see pointsman why solo", *named]) == 0
    assert "see pointsman why solo" in capsys.readouterr().out
    assert main(["overrides", *named]) == 0
    assert "--run-dir" not in capsys.readouterr().out


def test_notes_of_the_controller_name_the_hub(capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(name="newu", run_dir=None)
    show_notes(options, {"notes": ["moves are frozen: pointsman unfreeze 2 ends that"]})
    assert capsys.readouterr().out == "note       moves are frozen: pointsman unfreeze --name newu 2 ends that\n"


def test_where_no_provisioner_is_the_mend_names_the_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tunnels", "--run-dir", str(tmp_path)]) == 3
    assert f'"pointsman plan --run-dir {tmp_path} --only tunnels"' in capsys.readouterr().err
