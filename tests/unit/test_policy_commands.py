"""`pointsman policy test` and `pointsman policy simulate`: what they print, and how they end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from config_directories import BANDUNG, EXAMPLE, written

from hub.cli.main import main
from policies.simulation.chance import TROUBLES

GOLDEN = Path(__file__).parents[1] / "golden" / "policy-tests"
HOW_TO = EXAMPLE.parents[1] / "docs" / "how-to" / "test-a-policy.md"
REFERENCE = EXAMPLE.parents[1] / "docs" / "reference" / "policy-tests.md"
CUT = """\
branch: bandung
given:
  - {at: 10s, fiber: {down: true}}
  - {at: 20s, fiber: {up: true}}
expect:
  - {by: 11s, active: wireless, because: down}
"""
SCRIPT = """\
from policies.scripts import Adjustment, BranchSituation, NetworkSituation


def adjust(branch: BranchSituation, network: NetworkSituation) -> Adjustment | None:
    if branch.wall.hour < 10:
        return None
    return Adjustment(prefer=("wireless", "fiber"), metered=None, reason="after ten")
"""


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
@pytest.mark.parametrize("command", ["test", "simulate"])
def test_the_command_says_what_the_golden_file_says(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = written(tmp_path / "kencana", {})
    shutil.copytree(GOLDEN / name / "tests", directory / "policies" / "tests")
    monkeypatch.chdir(tmp_path)
    path = "kencana" if command == "test" else "kencana/policies/tests/brown-out.yaml"
    status = main(["policy", command, path])
    printed = capsys.readouterr()
    assert f"{printed.out}{printed.err}exit {status}\n" == (GOLDEN / name / f"{command}.txt").read_text()


def test_the_example_is_as_it_expects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "test", str(EXAMPLE)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "ok      policies/tests/brown-out.yaml  2 moves",
        "1 test: 1 ok",
    ]


def test_the_test_of_the_documentation_is_as_it_expects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    file = tmp_path / block.splitlines()[0].removeprefix("# ")
    file.write_text(block)
    assert main(["policy", "test", str(file)]) == 0


def test_files_are_named_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = written(tmp_path, {f"policies/tests/{name}.yaml": CUT for name in "abc"})
    files = [str(directory / "policies" / "tests" / f"{name}.yaml") for name in "ac"]
    assert main(["policy", "test", *files]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("ok")] == [
        "policies/tests/a.yaml",
        "policies/tests/c.yaml",
    ]


def test_a_file_elsewhere_is_of_the_present_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(written(tmp_path / "kencana", {}))
    (tmp_path / "mine.yaml").write_text(CUT)
    assert main(["policy", "test", "../mine.yaml"]) == 0
    assert main(["policy", "test", "../nothing.yaml"]) == 1
    assert "nothing.yaml: is not a file\n    mend: name a file that is there" in capsys.readouterr().out


def test_no_tests_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "test", str(written(tmp_path, {}))]) == 1
    assert "no test was run: write one in policies/tests/" in capsys.readouterr().out


def test_errors_of_the_configuration_are_said_as_check_says_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(written(tmp_path, {"policies/tests/t.yaml": CUT, "branches/bandung.yaml": "as: x\n"}))
    assert main(["policy", "test", directory]) == 1
    assert "branches/bandung.yaml:1:5: as: " in capsys.readouterr().out
    assert main(["policy", "simulate", directory]) == 1
    assert "branches/bandung.yaml:1:5: as: " in capsys.readouterr().err


def test_json_has_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"policies/tests/t.yaml": CUT + "  - {moves: 3}\n", "policies/tests/u.yaml": "branch: nobody\nexpect: []\n"}
    assert main(["policy", "test", "--json", str(written(tmp_path, files))]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["passed"], answer["failed"]) == (0, 1)
    assert [(problem["file"], problem["line"]) for problem in answer["problems"]] == [("policies/tests/u.yaml", 2)]
    [test] = answer["tests"]
    assert (test["branch"], test["policy"], test["moves"]) == ("bandung", "standard", 1)
    assert [moved["cause"] for moved in test["course"]] == ["start", "down"]
    [unmet] = test["unmet"]
    assert (unmet["line"], unmet["expected"], unmet["instead"]) == (7, "3 moves", "there was 1")


def with_script(directory: Path, script: str, test: str) -> str:
    files = {
        "branches/bandung.yaml": BANDUNG.replace(", kind: lte, metered: true", "") + "script: late.py\n",
        "policies/late.py": script,
        "policies/tests/t.yaml": test,
    }
    return str(written(directory, files))


def test_scripts_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = "branch: bandung\nstart: Mon 09:50\nfor: 30m\nexpect: [{by: 601s, active: wireless, because: rank}]\n"
    assert main(["policy", "test", with_script(tmp_path, SCRIPT, test)]) == 0


def test_a_script_that_raises_fails_the_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Not when it is tried, at noon, but at ten.
    script = SCRIPT.replace(
        "    return Adjustment", "    if branch.wall.hour == 10:\n        1 / 0\n    return Adjustment"
    )
    test = "branch: bandung\nstart: Mon 09:50\nfor: 30m\nexpect: [{moves: 0}]\n"
    directory = with_script(tmp_path, script, test)
    assert main(["policy", "test", directory]) == 1
    assert "    policies/late.py:8: adjust raised ZeroDivisionError: division by zero" in capsys.readouterr().out
    assert main(["policy", "simulate", f"{directory}/policies/tests/t.yaml"]) == 1
    assert "pointsman: policies/late.py:8: adjust raised" in capsys.readouterr().err


def test_a_script_that_cannot_be_loaded_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = with_script(tmp_path, "import os\n", CUT)
    assert main(["policy", "test", directory]) == 1
    assert "policies/late.py:1:1: " in capsys.readouterr().out


def test_a_simulation_has_every_branch_and_their_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "simulate", str(EXAMPLE), "--days", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["branch"] for each in answer["branches"]][0:2] == ["bandung", "bogor"]
    assert len(answer["branches"]) == 8
    for key in ("moves", "off-preferred-seconds", "metered-seconds"):
        assert answer["totals"][key] == pytest.approx(sum(each[key] for each in answer["branches"]), abs=1.0)
    assert answer["totals"]["moves"] > 8
    assert (answer["seed"], answer["seconds"], len(answer["drawn"])) == (1, 259200, len(TROUBLES))


def test_a_seed_says_the_same_again_and_another_one_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for seed in ("5", "5", "6"):
        assert main(["policy", "simulate", str(EXAMPLE), "--days", "2", "--branch", "solo", "--seed", seed]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]
    assert "all 8" not in said[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--days", "0"], "is no number of days of more than 0, up to 366"),
        (["--days", "x"], "is no number of days"),
        (["--days", "nan"], "is no number of days"),
        (["policies/tests/brown-out.yaml", "--seed", "3"], "leave --branch and --seed away"),
        (["policies/tests/brown-out.yaml", "--branch", "solo"], "leave --branch and --seed away"),
    ],
)
def test_wrong_usage_is_said(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLE)
    with pytest.raises(SystemExit) as ended:
        main(["policy", "simulate", *arguments])
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


def test_a_branch_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "simulate", str(EXAMPLE), "--branch", "bandun"]) == 1
    assert capsys.readouterr().err == 'pointsman: there is no branch "bandun"\n    mend: write "bandung"\n'


def test_the_reference_has_every_rate() -> None:
    rows = re.findall(r"^\| .* \| (\d+) days \| (\d+) (second|minute|hour)s? \|$", REFERENCE.read_text(), re.MULTILINE)
    units = {"second": 1, "minute": 60, "hour": 3600}
    assert [(int(days) * 86400, int(count) * units[unit]) for days, count, unit in rows] == [
        (trouble.every, trouble.lasts) for trouble in TROUBLES
    ]
