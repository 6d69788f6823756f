"""check, allocate and schema as a user runs them: output, exit status, nothing written that was not asked for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, EXAMPLE, NETWORK, written

from hub.cli import allocate, check, schema
from hub.cli.check import size
from hub.cli.main import main
from hub.config.directory import find_directory
from hub.config.schema import FILES, render_schema
from hub.control.places import SYSTEM_CONFIG

GOLDEN = Path(__file__).parents[1] / "golden" / "config"
SCHEMAS = EXAMPLE.parent / "schema"


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for command in (check, allocate, schema):
        command.add(commands)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_check_says_what_the_golden_file_says(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(GOLDEN)
    status = run("check", name)
    expected = (GOLDEN / name / "expected.txt").read_text()
    assert capsys.readouterr().out + f"exit {status}\n" == expected


def test_the_present_directory_is_meant_if_it_holds_network_yaml(tmp_path: Path) -> None:
    assert find_directory(None, tmp_path) == SYSTEM_CONFIG
    assert find_directory(None, written(tmp_path, {})) == tmp_path
    assert find_directory("elsewhere", tmp_path) == Path("elsewhere")


def test_check_exits_0_with_warnings_and_1_with_errors(tmp_path: Path) -> None:
    one = written(tmp_path, {"branches/bandung.yaml": BANDUNG.replace("indosat", "telkom")})
    assert run("check", str(one)) == 0
    assert run("check", str(tmp_path / "nothing")) == 1


def test_check_counts_and_names_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    branch = BANDUNG.replace("indosat", "telkom").replace("as: 65001", "as: x")
    assert run("check", "--json", str(written(tmp_path, {"branches/bandung.yaml": branch}))) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["errors"], answer["warnings"], answer["files"], answer["branches"]) == (1, 0, 3, None)
    assert answer["problems"][0]["file"] == "branches/bandung.yaml"
    assert (answer["problems"][0]["line"], answer["problems"][0]["column"]) == (1, 5)


def test_check_says_in_json_what_liveness_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--json", str(EXAMPLE)) == 0
    costs = json.loads(capsys.readouterr().out)["liveness-on-metered"]
    assert [cost["tunnel"] for cost in costs] == ["bogor/wireless", "garut/wireless", "surabaya/wireless"]
    assert all(cost["bytes-a-month-idle"] < cost["bytes-a-month-active"] for cost in costs)


def test_check_says_in_json_what_health_probes_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--json", str(EXAMPLE)) == 0
    costs = json.loads(capsys.readouterr().out)["health-probes-on-metered"]
    assert [cost["tunnel"] for cost in costs] == ["bogor/wireless", "garut/wireless", "surabaya/wireless"]
    assert all(cost["bytes-a-month-idle"] < cost["bytes-a-month-active"] for cost in costs)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (734_600_000, "735 MB"), (7_345_000_000, "7.3 GB"), (999_600, "1 MB")],
)
def test_sizes_are_short(count: int, text: str) -> None:
    assert size(count) == text


def test_allocate_writes_the_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = written(tmp_path, {})
    (directory / "allocations.yaml").unlink()
    assert run("allocate", str(directory)) == 0
    text = (directory / "allocations.yaml").read_text()
    assert text.endswith(ALLOCATIONS)
    assert run("allocate", str(directory)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (directory / "allocations.yaml").read_text() == text
    assert run("check", str(directory)) == 0


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = written(tmp_path, {"allocations.yaml": ""})
    assert run("allocate", "--dry-run", str(directory)) == 0
    assert "2 tunnels to allocate; nothing was written" in capsys.readouterr().out
    assert (directory / "allocations.yaml").read_text() == ""


def test_allocate_answers_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("allocate", "--json", str(written(tmp_path, {"allocations.yaml": ""}))) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["allocated"]["bandung/fiber"] == {"to": "telkom", "link": "10.255.0.0/31", "port": 51000}


def test_allocate_refuses_a_configuration_with_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = written(tmp_path, {"network.yaml": NETWORK.replace("65000", "0"), "allocations.yaml": ""})
    assert run("allocate", str(directory)) == 1
    errors = capsys.readouterr().err
    assert "network.yaml:5:7: as: 0 is too small" in errors
    assert errors.endswith("nothing was allocated\n")
    assert (directory / "allocations.yaml").read_text() == ""


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_shipped_schema_is_the_present_one(name: str) -> None:
    assert (SCHEMAS / f"{name}.json").read_text() == render_schema(name), (
        f"run: pointsman schema {name} > config/schema/{name}.json"
    )


def test_schema_prints_all_files_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    assert set(json.loads(capsys.readouterr().out)) == set(FILES)


def test_an_unknown_schema_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as stopped:
        run("schema", "brunch")
    assert stopped.value.code == 2


def test_a_schema_knows_the_keys_as_they_are_written() -> None:
    properties = json.loads(render_schema("branch"))["properties"]
    assert {"as", "prefix-limit", "router-id", "uplinks"} <= set(properties)
    assert "budget" not in properties


@pytest.mark.parametrize(
    ("arguments", "example"),
    [(["check"], "check DIR"), (["allocate"], "allocate DIR"), (["run"], "run --config DIR")],
)
def test_where_there_is_no_configuration_the_mend_is_the_command_with_a_directory(
    arguments: list[str],
    example: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for module in ("hub.cli.where", "hub.config.directory"):
        monkeypatch.setattr(f"{module}.SYSTEM_CONFIG", tmp_path / "etc")
    assert main(arguments) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"pointsman: no network.yaml here ({tmp_path}), and no {tmp_path / 'etc'}",
        f"    mend: name the directory: pointsman {example}",
    ]


def test_allocate_without_network_yaml_says_to_write_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["allocate", str(tmp_path)]) == 1
    assert "    mend: write network.yaml (docs/reference/configuration.md has an example)" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_directory_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, {}) / "network.yaml"
    assert main(["check", str(file)]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"network.yaml: {file} is a file: name its directory",
        "1 error in 0 files",
    ]
