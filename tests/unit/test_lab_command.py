"""The command line of the lab, without a lab."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path

import pytest
from lab_intent import intent

from hub.cli import lab
from hub.cli.main import main
from hub.lab import build, disturb, names, namespaces, requirements, rootless
from hub.lab.names import HOME_VARIABLE, LabError, LabPlace, labs_home
from hub.lab.plan import hub_uplinks, plan
from hub.lab.record import Lab, load, locked, write
from hub.lab.requirements import complaint, missing
from hub.lab_overrides import LabOverrides

NOBODYS = "never-built"
"""The name of a lab that nobody has: namespaces are the machine's, so that taking "lab" down would take a real one."""


def run(*arguments: str) -> int:
    """The exit status of `pointsman lab …`."""
    parser = argparse.ArgumentParser()
    lab.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["lab", *arguments])
    status: int = options.run(options)
    return status


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of labs with none in it, for a user who needs no holder."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(rootless, "needed", lambda user_id: False)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["cut", "bandung/fiber"], ["heal", "all"], ["degrade", "x/y", "--loss", "5%"], ["probe"],
     ["shell", "hub"]],
)  # fmt: skip
def test_without_a_lab_every_command_says_so_and_the_mend(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == lab.NOT_RUNNING
    assert capsys.readouterr().err == 'pointsman: no lab "lab" is up here: build it with "pointsman lab up"\n'


def test_down_without_a_lab_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("down", "--name", NOBODYS) == lab.DONE
    assert capsys.readouterr().out == f'there was no lab "{NOBODYS}"\n'


@pytest.fixture
def of_root(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab of root, seen by somebody else."""
    roots = tmp_path_factory.mktemp("roots")
    for name in ("lab", NOBODYS):
        (roots / name).mkdir()
    monkeypatch.setattr(names, "ROOTS_LABS", roots)
    monkeypatch.setattr(names, "_is_root", lambda: False)
    # A real lab of that name may be up: its namespaces are found by their names.
    monkeypatch.setattr(build, "down", lambda place: False)


@pytest.mark.usefixtures("of_root")
@pytest.mark.parametrize("command", [["status"], ["heal", "all"], ["shell", "hub"]])
def test_a_lab_of_root_is_not_said_to_be_absent(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command) == lab.NOT_RUNNING
    assert capsys.readouterr().err == 'pointsman: the lab "lab" is root\'s: use sudo\n'


@pytest.mark.usefixtures("of_root")
def test_a_lab_of_root_is_not_said_to_be_gone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("down", "--name", NOBODYS) == lab.REFUSED
    assert capsys.readouterr().err == f'pointsman: the lab "{NOBODYS}" is root\'s: use sudo\n'


@pytest.mark.usefixtures("of_root")
def test_a_hub_in_a_lab_of_root_is_said_to_be_roots(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--name", "lab"]) == lab.NOT_RUNNING
    assert capsys.readouterr().err.endswith('    mend: the lab "lab" is root\'s: use sudo\n')


def test_a_lab_without_a_hub_is_not_to_be_built_again(recorded: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--name", "lab"]) == lab.NOT_RUNNING
    place = recorded.place
    directories = f"--config /etc/pointsman --run-dir {place.run} --state-dir {place.state}"
    uplinks = " ".join(LabOverrides(uplinks=hub_uplinks(recorded.network)).arguments())
    start = f"pointsman run {directories} {uplinks}"
    assert f'mend: start it with "pointsman lab shell hub -- {start}"' in capsys.readouterr().err


@pytest.mark.usefixtures("recorded")
def test_healing_all_where_nothing_is_disturbed_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("heal", "all") == lab.DONE
    assert capsys.readouterr().out == "nothing was disturbed\n"


@pytest.mark.parametrize("name", ["", "Lab", "a.b", "../x", "a-", "a" * 21, "a b"])
def test_a_name_that_cannot_be_a_labs_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "--name", name) == lab.REFUSED
    assert "cannot be the name of a lab" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["up", "--timers", "quick"], ["up", "--hold", "3"], ["degrade", "a/b", "--loss", "5"], ["cut"],
     ["cut", "a/b", "--direction", "up"], ["probe", "--interval", "fast"], ["degrade", "a/b", "--delay", "-3ms"]],
)  # fmt: skip
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == lab.USAGE


def test_degrading_by_nothing_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("degrade", "bandung/fiber") == lab.USAGE
    said = capsys.readouterr().err
    assert said.startswith("usage: ")
    assert "--loss 5%" in said


@pytest.fixture
def recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that is up, as far as its record and the names of its namespaces say."""
    lab_place = LabPlace("lab", home)
    found = Lab(lab_place, plan(intent()), Path("/etc/pointsman"), kernel_wireguard=True)
    lab_place.directory.mkdir()
    write(found)
    monkeypatch.setattr(namespaces, "existing", lambda place: [place.namespace("hub")])
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cut", "bandung/fibre"], 'did you mean "bandung/fiber"? '),
        (["cut", "isp:telcom"], 'did you mean "isp:telkom"? '),
        (["heal", "hub:bisnet"], 'did you mean "hub:biznet"? '),
        (["cut", "nowhere"], "isp:telkom, hub:telkom, hub:biznet"),
        (["probe", "bandng"], 'did you mean "bandung"? the branches are bandung, tegal'),
        (["shell", "bandng"], 'did you mean "bandung"? the machines are hub, '),
    ],
)
@pytest.mark.usefixtures("recorded")
def test_a_name_that_is_not_in_the_lab_is_answered_with_the_one_like_it(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == lab.REFUSED
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("written", [["--name", "second"], ["--name=second"]])
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_shells_lab_may_be_named_before_and_after_the_machine(
    written: list[str], order: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("shell", *([*written, "hub"] if order == "before" else ["hub", *written])) == lab.NOT_RUNNING
    assert 'no lab "second" is up here' in capsys.readouterr().err


def test_a_commands_own_name_option_stays_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("shell", "hub", "--", "ls", "--name", "second") == lab.NOT_RUNNING
    assert 'no lab "lab" is up here' in capsys.readouterr().err


def test_a_cut_without_nft_names_the_package(recorded: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "installed", lambda program: program != "nft")
    with pytest.raises(LabError, match="missing for a lab: nft: apt-get install nftables"):
        disturb.cut(recorded, "bandung/fiber")


@pytest.mark.usefixtures("recorded")
def test_a_lab_that_is_up_is_not_said_to_be_built_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("up") == lab.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert 'lab "lab" is up already: "pointsman lab down" first' in said.err


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("up", str(tmp_path / "nowhere")) == lab.REFUSED
    assert capsys.readouterr().err == f"pointsman: there is no directory {tmp_path / 'nowhere'}\n"


@pytest.mark.parametrize("command", ["up", "status", "cut", "heal", "degrade", "probe", "shell", "demo", "down"])
def test_help_shows_the_command_in_use(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        run(command, "--help")
    assert error.value.code == lab.DONE
    assert f"\n  pointsman lab {command}" in capsys.readouterr().out


def test_a_configuration_with_errors_is_refused_with_the_way_to_see_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", str(tmp_path)) == lab.REFUSED
    assert f'"pointsman check {tmp_path}"' in capsys.readouterr().err


def test_a_link_that_leads_to_itself_is_refused_like_any_configuration_with_errors(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = home / "loop"
    loop.symlink_to(loop)
    assert run("up", str(loop)) == lab.REFUSED
    assert "has errors: see them with" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"network": {}, "configuration": "/"})])
def test_a_broken_record_says_how_to_get_rid_of_it(home: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "lab").mkdir()
    (home / "lab" / "lab.json").write_text(text)
    assert run("status") == lab.NOT_RUNNING
    assert "pointsman lab down" in capsys.readouterr().err


def test_only_one_command_changes_a_lab_at_a_time(home: Path) -> None:
    place = LabPlace("lab", home)
    with locked(place), pytest.raises(LabError, match="another command"), locked(place):
        pass


def test_two_names_do_not_share_a_namespace() -> None:
    short, long = LabPlace("a", Path("/x")), LabPlace("a-b", Path("/x"))
    assert not long.namespace("hub").startswith(short.namespace_prefix)


@pytest.mark.parametrize(
    ("user", "override", "expected"),
    [(0, None, "/run/pointsman-lab"), (1000, None, "/tmp/pointsman-lab-1000"), (0, "/tmp/x", "/tmp/x")],
)
def test_labs_live_where_their_user_may_write(user: int, override: str | None, expected: str) -> None:
    assert labs_home(user, override) == Path(expected)


def test_everything_missing_is_named_at_once_with_the_packages() -> None:
    absent = missing(kernel_wireguard=False, has=lambda program: program not in {"bird", "wireguard-go", "nft"})
    assert complaint(absent) == (
        "missing for a lab: nft, bird, wireguard-go: apt-get install nftables bird2 wireguard-go"
    )


def test_frr_is_asked_for_where_it_routes_and_bird_where_it_does() -> None:
    def absent(*routers: str) -> list[tuple[str, str]]:
        return missing(kernel_wireguard=True, routers=routers, has=lambda program: program not in {"bird", "bgpd"})

    assert absent("frr") == [("bgpd", "frr")]
    assert absent("bird", "bird") == [("bird", "bird2")]
    assert absent("bird", "frr") == [("bird", "bird2"), ("bgpd", "frr")]


def test_a_kernel_with_wireguard_needs_no_wireguard_go() -> None:
    assert missing(kernel_wireguard=True, has=lambda program: program != "wireguard-go") == []


def test_load_names_the_other_lab(home: Path) -> None:
    with pytest.raises(LabError, match="--name other"):
        load(LabPlace("other", home))


def test_a_lab_whose_namespaces_are_gone_is_not_up(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = LabPlace(NOBODYS, home)
    place.directory.mkdir()
    write(Lab(place, plan(intent()), home, kernel_wireguard=True))
    assert run("status", "--name", NOBODYS) == lab.NOT_RUNNING
    error = capsys.readouterr().err
    assert re.match(r'pointsman: of lab "never-built" only the files are whole: (\d+) of its \1 namespaces are', error)
    assert error.endswith(f'take it down with "pointsman lab down --name {NOBODYS}"\n')
