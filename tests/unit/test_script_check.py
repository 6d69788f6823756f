"""`check` of policy scripts: each wrong thing with its file, line, column and mend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from script_rig import HEAD, PREFER_LTE
from small_network import a_branch, a_network

from hub.config.applied import stage
from hub.scripts.check import script_problems
from hub.scripts.limits import Limits
from policies.model.intent import Intent

PATIENT = Limits(patience=200.0, load=1.0)
BY_TUNNEL = HEAD + "def adjust(branch, network):\n    first = branch.tunnels[0]\n"


def under(script: str) -> Intent:
    branches = (a_branch("bandung", number=1), a_branch("bogor", number=2))
    return a_network(*(replace(b, policy=replace(b.policy, script=script)) for b in branches))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def adjust(b, n)\n", "policies/x.py:1:17: is no Python: expected ':'\n    mend: mend the line"),
        ("import os\n" + PREFER_LTE, "policies/x.py:1:1: imports os, which a policy script may not\n    mend: import"),
        (HEAD, 'policies/x.py:1:1: has no function adjust\n    mend: write "def adjust('),
        (PREFER_LTE + "[][0]\n", "policies/x.py:4:1: cannot be loaded: IndexError: list index out of range\n"),
        ("while True: pass\n" + PREFER_LTE, "policies/x.py:1:1: took longer than 1000 ms of processor time while it"),
        (BY_TUNNEL + "    return 1 / 0\n", "policies/x.py:4:1: adjust raised ZeroDivisionError: division by zero, for"),
        (
            BY_TUNNEL + "    return ['lte']\n",
            "policies/x.py:2:1: adjust returned a list, not an Adjustment or None, for",
        ),
        (BY_TUNNEL + "    while True: pass\n", "policies/x.py:4:1: took longer than 200 ms of processor time when"),
        (
            BY_TUNNEL + "    if first.health is HealthState.DEGRADED: raise ValueError('bad')\n",
            "policies/x.py:4:1: adjust raised ValueError: bad, for bandung when tunnel 1 is degraded\n",
        ),
    ],
    ids=[
        "syntax",
        "import",
        "no adjust",
        "raises when loaded",
        "loops when loaded",
        "raises",
        "nonsense",
        "loops",
        "rare",
    ],
)
def test_what_is_wrong_has_its_place_and_mend(directory: Path, text: str, problem: str) -> None:
    (directory / "policies" / "x.py").write_text(text)
    found = script_problems(directory, ["x.py"], under("x.py"), PATIENT)
    assert [str(one)[: len(problem)] for one in found] == [problem]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nope.py", "policies/nope.py: there is no such file\n    mend: write "),
        ("even_out.py", "policies/even_out.py: there is no such file\n    mend: cp "),
        ("../x.py", "policies/../x.py: is no name of a policy script\n    mend: call it like even_out.py"),
        ("X.py", "policies/X.py: is no name of a policy script\n"),
        ("x.txt", "policies/x.txt: is no name of a policy script\n"),
        ("folder.py", "policies/folder.py: cannot be read: Is a directory\n"),
        ("latin.py", "policies/latin.py:2:1: is not UTF-8 text\n    mend: save it as UTF-8"),
    ],
)
def test_a_script_that_cannot_be_read_is_said_to_be_so(directory: Path, name: str, problem: str) -> None:
    (directory / "policies" / "folder.py").mkdir()
    (directory / "policies" / "latin.py").write_bytes(b"#\n# caf\xe9\n")
    (found,) = script_problems(directory, [name])
    assert str(found).startswith(problem)


def test_scripts_that_are_right_have_no_problem(directory: Path) -> None:
    (directory / "policies" / "x.py").write_text(PREFER_LTE + "print('hello')\n")
    assert script_problems(directory, ["x.py"], under("x.py"), PATIENT) == []


def test_one_wrong_script_hides_nothing_of_another(directory: Path) -> None:
    (directory / "policies" / "a.py").write_text("while True: pass\n")
    (directory / "policies" / "b.py").write_text("import os\nimport sys\n" + PREFER_LTE)
    found = script_problems(directory, ["b.py", "a.py", "b.py"], None, PATIENT)
    assert [(one.file, one.line) for one in found] == [("policies/a.py", 1), ("policies/b.py", 1), ("policies/b.py", 2)]


def test_without_scripts_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert script_problems(tmp_path / "nowhere", []) == []


def test_scripts_are_copied_with_the_configuration_that_is_put_in_force(directory: Path, tmp_path: Path) -> None:
    (directory / "network.yaml").write_text("network: x\n")
    (directory / "policies" / "x.py").write_text(PREFER_LTE)
    staged = stage(directory, tmp_path / "state")
    assert (staged / "policies" / "x.py").read_text() == PREFER_LTE
