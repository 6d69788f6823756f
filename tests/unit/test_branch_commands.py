"""branch add, list and remove as a user runs them: all or nothing, and nothing that is there changes."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import tempfile
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, EXAMPLE, NETWORK, written
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cli import branch
from hub.config import read
from hub.config.allocation import RefusedError
from hub.config.allocations_file import write
from hub.config.branch_addition import Wish, plan_addition, put
from hub.config.new_branch import NewUplink
from hub.config.problems import has_errors

FULL = ("--as", "65009", "--prefix", "10.9.0.0/24", "--uplink", "fiber:telkom", "--uplink", "wireless:indosat,metered")


def run(directory: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    branch.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["branch", *arguments, "--config", str(directory)])
    status: int = options.run(options)
    return status


def content(directory: Path) -> dict[str, bytes]:
    return {str(f.relative_to(directory)): f.read_bytes() for f in sorted(directory.rglob("*")) if f.is_file()}


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "eight"))


def test_a_branch_is_written_and_gets_what_it_needs(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(example)
    assert run(example, "add", "malang", *FULL) == 0
    configuration = read(example)
    assert configuration.problems == ()
    assert configuration.intent is not None
    made = configuration.intent.branches["malang"]
    assert (made.asn, [str(prefix) for prefix in made.prefixes]) == (65009, ["10.9.0.0/24"])
    assert [tunnel.port for tunnel in made.tunnels] == [51016, 51017]
    after = content(example)
    assert after.pop("branches/malang.yaml").startswith(b"# yaml-language-server: $schema=../../schema/branch.json\n")
    lines = after.pop("allocations.yaml").decode().splitlines()
    old = before.pop("allocations.yaml").decode().splitlines()
    assert [line for line in lines if not line.startswith("malang/")] == old
    assert after == before
    out = capsys.readouterr().out
    assert "written    branches/malang.yaml\nallocated  malang/fiber: {to: telkom, link: 10.255.0.32/31" in out
    assert re.findall(r"pointsman (\w+ ?\w*)", out.partition("next ")[2]) == ["plan ", "apply ", "router print"]


def test_what_is_not_said_comes_from_the_other_branches(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "add", "malang") == 0
    text = (example / "branches" / "malang.yaml").read_text()
    assert "as: 65009 " in text
    assert "prefixes: [10.9.0.0/24] " in text
    assert "write what is marked TODO in" in capsys.readouterr().out
    found = read(example).problems
    assert [(problem.line, problem.column) for problem in found] == [(10, 19), (11, 19)]
    assert all("isp: TODO still stands here" in problem.text for problem in found)


def test_what_waits_to_be_written_has_no_allocations_yet(example: Path) -> None:
    before = (example / "allocations.yaml").read_bytes()
    assert run(example, "add", "malang") == 0
    assert (example / "allocations.yaml").read_bytes() == before


def test_a_dry_run_prints_the_file_and_writes_nothing(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(example)
    assert run(example, "add", "malang", *FULL, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "as: 65009 " in out
    assert "would get  malang/wireless: {to: biznet, " in out
    assert out.endswith("nothing was written\n")
    assert content(example) == before


def test_the_data_of_an_addition_is_for_programs(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "add", "malang", *FULL, "--transport", "ipsec", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == "branches/malang.yaml"
    assert answer["text"] == (example / "branches" / "malang.yaml").read_text()
    assert answer["allocated"]["malang/fiber"]["loopbacks"] == "10.255.0.34/31"
    assert answer["secrets"] == ["malang-fiber.psk", "malang-wireless.psk"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("add", "bandung"), "branches/bandung.yaml: is there already, and nothing is ever overwritten"),
        (("add", "malang", *FULL[2:], "--as", "65001"), "as 65001 is also that of bandung (branches/bandung.yaml:6)"),
        (("add", "malang", "--prefix", "10.1.0.0/25"), "prefix 10.1.0.0/25 lies inside 10.1.0.0/24 of bandung"),
        (("add", "malang", "--prefix", "0.0.0.0/0"), "a branch announces its own networks, never the default route"),
        (("add", "malang", "--prefix", "198.51.100.0/24"), "holds the endpoint of telkom 198.51.100.2"),
        (("add", "malang", "--prefix", "2001:db8:9::/56"), "the hub announces none of that"),
        (("add", "malang", "--uplink", "a:telkom", "--uplink", "a:indosat"), "uplink a is there twice"),
        (("add", "malang", "--ibgp", "--as", "65000"), "--as and --ibgp at once"),
        (("remove", "bandung", "--yes"), "policies/tests/brown-out.yaml:6:9: this test plays with branch bandung"),
        (("remove", "bandong", "--yes"), 'there is no branch bandong\n    mend: write "bandung"'),
    ],
)
def test_what_would_be_wrong_is_refused_and_nothing_changes(
    example: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    before = content(example)
    assert run(example, *arguments) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert "pointsman-" not in error, "the copy that was judged is nobody's business"
    assert error.rstrip().endswith(("nothing was written", "nothing was removed"))
    assert content(example) == before


@pytest.mark.parametrize(
    "arguments", [("add", "Malang"), ("add", "malang", "--prefix", "10.9.0.1/24"), ("add", "malang", "--uplink", "x")]
)
def test_what_cannot_be_read_is_wrong_usage(example: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(example, *arguments)
    assert ended.value.code == 2


def test_a_network_whose_prefixes_are_no_row_must_be_told_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(written(tmp_path, {}), "add", "malang", *FULL[:2]) == 1
    error = capsys.readouterr().err
    assert "no prefix can be proposed: those of the branches (10.1.0.0/24, …) are no row" in error
    assert "mend: say it: --prefix 10.9.0.0/24" in error


def test_a_configuration_with_errors_takes_no_branch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = written(tmp_path, {"branches/bandung.yaml": BANDUNG.replace("isp: telkom", "isp: Telkom")})
    assert run(directory, "add", "malang", *FULL) == 1
    assert 'branches/bandung.yaml:4:19: isp: name "Telkom"' in capsys.readouterr().err
    assert not (directory / "branches" / "malang.yaml").exists()


def test_a_pool_that_is_used_up_is_said_of_the_directory_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = written(tmp_path, {"network.yaml": NETWORK.replace("51000-54999", "51000-51002")})
    assert run(directory, "add", "malang", *FULL) == 1
    assert "the pool of ports is used up" in capsys.readouterr().err
    assert (directory / "allocations.yaml").read_text() == ALLOCATIONS


@pytest.mark.parametrize("name", ["branches/malang.yaml", "allocations.yaml"])
def test_what_somebody_writes_meanwhile_is_not_overwritten(example: Path, name: str) -> None:
    wish = Wish("malang", uplinks=(NewUplink("fiber", "telkom"),))
    addition = plan_addition(example, wish)
    (example / name).write_text("# somebody else\n")
    before = content(example)
    with pytest.raises(RefusedError) as refused:
        put(example, addition)
    assert "somebody wrote it meanwhile" in str(refused.value.problems[0])
    assert content(example) == before


def test_if_the_allocations_cannot_be_written_the_branch_is_not_there_either(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_room(path: Path, text: str) -> None:
        if path.parent == example:
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    before = content(example)
    monkeypatch.setattr("hub.config.branch_addition.write", no_room)
    assert run(example, "add", "malang", "--uplink", "fiber:telkom,ipsec") == 1
    assert "allocations.yaml: cannot be written: No space left on device" in capsys.readouterr().err
    assert content(example) == before


def test_a_branch_that_comes_back_gets_what_it_had(example: Path) -> None:
    assert run(example, "add", "malang", *FULL) == 0
    before = content(example)
    assert run(example, "remove", "malang", "--yes") == 0
    assert run(example, "add", "aceh", *FULL[4:], "--as", "65010", "--prefix", "10.10.0.0/24") == 0
    assert run(example, "add", "malang", *FULL) == 0
    lines = (example / "allocations.yaml").read_text().splitlines()
    assert set(before["allocations.yaml"].decode().splitlines()) <= set(lines)
    assert read(example).problems == ()


names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,11}", fullmatch=True)
uplinks = st.builds(
    NewUplink,
    name=names,
    isp=st.sampled_from(["telkom", "indosat", "biznet", "lintasarta", "xl", "moratel", "cbn", "TODO"]),
    kind=st.sampled_from([None, "lte", "dsl", "other"]),
    metered=st.booleans(),
    behind_nat=st.booleans(),
    transport=st.sampled_from([None, "wireguard", "ipsec"]),
)
prefixes = st.builds(
    lambda address, length: IPv4Network((address >> 32 - length << 32 - length, length)),
    st.integers(9 << 24, (224 << 24) - 1),
    st.integers(7, 24),
)
wishes = st.builds(
    Wish,
    name=names,
    asn=st.none() | st.integers(1, 70000),
    prefixes=st.lists(prefixes, max_size=2).map(tuple),
    uplinks=st.lists(uplinks, min_size=1, max_size=4, unique_by=lambda uplink: uplink.name).map(tuple),
    router=st.sampled_from([None, "routeros", "frr", "bird", "other"]),
    transport=st.sampled_from(["wireguard", "ipsec"]),
    ibgp=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(wishes)
def test_whatever_is_added_check_passes_and_nothing_else_changes(wish: Wish) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(shutil.copytree(EXAMPLE, Path(place) / "eight"))
        before = content(directory)
        try:
            addition = plan_addition(directory, wish)
        except RefusedError as refused:
            assert has_errors(refused.problems)
            assert content(directory) == before
            return
        put(directory, addition)
        after = content(directory)
        assert after.pop(wish.file).decode() == addition.text
        lines, old = (each.pop("allocations.yaml").decode().splitlines() for each in (after, before))
        assert [line for line in lines if not line.startswith(f"{wish.name}/")] == old
        assert after == before
        errors = [problem for problem in read(directory).problems if has_errors([problem])]
        assert bool(errors) is addition.branch.waits
        assert all("TODO still stands here" in problem.text for problem in errors)


def test_the_list_says_what_the_files_say(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example, "add", "malang", "--uplink", "fiber:telkom,ipsec", "--uplink", "b:indosat,lte,metered") == 0
    capsys.readouterr()
    assert run(example, "list") == 0
    out = capsys.readouterr().out
    (row,) = (line for line in out.splitlines() if line.startswith("malang"))
    assert re.split(r" {2,}", row) == [
        "malang",
        "65009",
        "10.9.0.0/24",
        "b wireguard indosat -> biznet, metered · fiber ipsec telkom -> telkom",
        "act",
        "-",
        "standard",
    ]


def test_the_list_has_branches_that_are_off_and_files_that_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "branches/bogor.yaml": "as: x\n",
        "branches/bandung.yaml": f"{BANDUNG}mode: off\ntunnels: {{fiber: {{existing: wg7}}}}\n",
    }
    assert run(written(tmp_path, files), "list", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["readable"], row["mode"]) for row in answer["branches"]] == [
        ("bandung", True, "off"),
        ("bogor", False, ""),
    ]
    fiber = answer["branches"][0]["tunnels"][0]
    assert (fiber["transport"], fiber["interface"]) == ("existing", "wg7")
    assert answer["problems"]


def test_an_empty_network_is_told_how_to_get_its_first_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = written(tmp_path, {})
    (directory / "branches" / "bandung.yaml").unlink()
    assert run(directory, "list") == 0
    assert 'there are no branches: "pointsman branch add NAME" writes the first' in capsys.readouterr().out


def test_a_branch_is_removed_and_its_lines_stay(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(example)
    assert run(example, "remove", "tegal", "--yes") == 0
    assert before.pop("branches/tegal.yaml")
    assert content(example) == before
    out = capsys.readouterr().out
    assert "stays      tegal/fiber: {to: telkom, link: 10.255.0.28/31, port: 51014}" in out
    assert "fiber: the WireGuard interface to 198.51.100.2:51014, with its address 10.255.0.29/31; " in out
    assert "the BGP session with 10.255.0.28, AS 65000, and its BFD" in out
    assert "pointsman plan" in out
    assert "pointsman keys forget tegal" in out


def test_a_branch_that_is_gone_for_good_frees_what_it_had(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (example / "allocations.yaml").read_text()
    assert run(example, "remove", "tegal", "--yes", "--release", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["allocations-released"]) == {"tegal/fiber", "tegal/wireless"}
    assert len(answer["left-at-the-branch"]) == 3
    kept = "".join(line for line in before.splitlines(keepends=True) if not line.startswith("tegal/"))
    assert (example / "allocations.yaml").read_text() == kept


def test_lines_that_cannot_be_told_apart_are_not_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spread = "bandung/fiber:\n  {to: telkom, link: 10.255.0.0/31, port: 51000}\n" + ALLOCATIONS.splitlines()[1] + "\n"
    directory = written(tmp_path, {"allocations.yaml": spread})
    assert run(directory, "remove", "bandung", "--yes", "--release") == 1
    assert "its lines cannot be told from the others" in capsys.readouterr().err
    assert (directory / "branches" / "bandung.yaml").exists()


def test_a_rule_that_asks_for_the_branch_holds_it(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "policies" / "nights.yaml").write_text(
        "rules:\n  - name: nights\n    when: {branch: [solo, tegal]}\n    set: {metered: allowed}\n"
    )
    assert run(example, "remove", "tegal", "--yes") == 1
    error = capsys.readouterr().err
    assert 'policies/nights.yaml:3:20: rule "nights" asks for branch tegal' in error
    assert error.count("tegal") == 1
    assert (example / "branches" / "tegal.yaml").exists()


def test_a_branch_whose_file_is_wrong_can_be_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = written(tmp_path, {"branches/bogor.yaml": "as: x\n"})
    assert run(directory, "remove", "bogor", "--yes") == 0
    assert "branches/bogor.yaml (it cannot be read as a branch)" in capsys.readouterr().out


def test_without_a_terminal_nobody_can_be_asked(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("tegal\n"))
    assert run(example, "remove", "tegal") == 1
    assert "nobody can be asked here\n    mend: add --yes" in capsys.readouterr().err
    assert (example / "branches" / "tegal.yaml").exists()


@pytest.mark.parametrize(("typed", "status"), [("tegal\n", 0), ("yes\n", 1), ("", 1)])
def test_at_a_terminal_the_name_is_written_again(
    example: Path, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    terminal = io.StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert run(example, "remove", "tegal") == status
    assert (example / "branches" / "tegal.yaml").exists() is bool(status)


def test_a_directory_that_may_not_be_written_says_so(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(example / "branches" / "malang.yaml"))

    monkeypatch.setattr(os, "link", forbidden)
    before = content(example)
    assert run(example, "add", "malang", *FULL) == 1
    assert "malang.yaml: cannot be written: Permission denied" in capsys.readouterr().err
    assert content(example) == before


def test_a_directory_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("add", "remove"):
        assert run(tmp_path / "nothing", command, "malang") == 1
        assert f"there is no directory {tmp_path}/nothing" in capsys.readouterr().err
