"""`pointsman firewall` as a user runs it, with a table that is not the machine's."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from config_directories import NETWORK, RIGHT, reading, written
from lab_intent import intent
from nft_of_a_table import nft_of

from hub.cli import firewall
from hub.cli.main import main
from hub.lab import rootless
from hub.lab.names import HOME_VARIABLE, LabPlace
from hub.lab.plan import plan
from hub.lab.record import Lab, write
from hub.provisioner import program
from hub.provisioner.changes import ProvisionError
from hub.provisioner.firewall import backend
from hub.provisioner.firewall.rules import TABLE
from hub.provisioner.program import Program

ON = {"network.yaml": f"{NETWORK}security: {{management: [10.0.9.0/24]}}\n"}


class Table:
    """One table of this test: what was loaded, or nothing."""

    def __init__(self) -> None:
        self.objects: list[Mapping[str, Any]] | None = None

    def load(self, text: str) -> None:
        if self.objects is None or "delete table" in text:
            self.objects = [{"table": {"name": "pointsman-firewall"}}]
        for line in text.splitlines():
            if 'return comment "' in line:
                self.objects.append({"rule": {"chain": "fingerprint", "comment": line.split('"')[1]}})

    def listing(self) -> Sequence[Mapping[str, Any]] | None:
        return None if self.objects is None else list(self.objects)


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    made = Table()
    monkeypatch.setattr(backend, "run_program", nft_of(made, TABLE))
    monkeypatch.setattr(firewall, "connected_from", lambda: None)
    return made


def run(tmp_path: Path, files: Mapping[str, str], *arguments: str) -> int:
    config = written(tmp_path / "config", files)
    more = ["--state-dir", str(tmp_path / "state")] if arguments[0] == "apply" else []
    return main(["firewall", *arguments, "--config", str(config), *more])


def test_the_rules_can_be_read_before_they_are_switched_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, RIGHT, "print") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# the network kencana\ntable inet pointsman-firewall {\n")
    assert printed.err.startswith("pointsman: the firewall is off, so these rules are not in force\n    mend: ")


def test_applied_rules_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, ON, "check") == 1
    assert "the rules are gone: there is no table" in capsys.readouterr().err
    assert run(tmp_path, ON, "apply") == 0
    assert capsys.readouterr().out.startswith("firewall: make the rules (")
    assert run(tmp_path, ON, "apply") == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert run(tmp_path, ON, "check") == 0
    assert capsys.readouterr().out.startswith("the rules are in force, unchanged")


def test_a_lab_names_the_files_and_the_namespace_of_its_hub(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def in_namespace(name: str) -> Program:
        asked.append(name)
        return nft_of(table, TABLE)

    monkeypatch.setattr(program, "program_in", in_namespace)
    monkeypatch.setattr(rootless, "needed", lambda _: False)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "labs"))
    place = LabPlace("second", tmp_path / "labs")
    place.directory.mkdir(parents=True)
    write(Lab(place, plan(intent()), written(tmp_path / "config", ON), kernel_wireguard=True))
    named = ["--name", "second"]
    assert main(["firewall", "print", *named]) == 0
    assert "# the network kencana" in capsys.readouterr().out
    assert main(["firewall", "check", *named]) == 1
    assert "mend: pointsman firewall apply --name second\n" in capsys.readouterr().err
    assert main(["firewall", "apply", *named]) == 0
    assert main(["firewall", "check", *named]) == 0
    assert asked == [place.namespace("hub")] * 3
    place.run.mkdir()
    with socket.socket(socket.AF_UNIX) as provisioner:
        monkeypatch.chdir(place.run)  # a socket's path is short
        provisioner.bind("provisioner.sock")
        assert main(["firewall", "apply", *named]) == 1
    assert "mend: pointsman apply --name second, which" in capsys.readouterr().err


def test_what_helps_says_the_configuration_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, ON, "check") == 1
    assert f"mend: pointsman firewall apply --config {tmp_path}/config\n" in capsys.readouterr().err


def test_drift_has_an_exit_status(tmp_path: Path, table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, ON, "apply")
    assert table.objects is not None
    table.objects.append({"rule": {"chain": "input", "expr": [{"accept": None}]}})
    assert run(tmp_path, ON, "check") == 1
    assert "somebody has changed the rules" in capsys.readouterr().err


def test_who_could_not_come_back_is_refused_unless_forced(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(firewall, "connected_from", lambda: "192.0.2.44")
    assert run(tmp_path, ON, "apply") == 1
    said = capsys.readouterr().err
    assert "you are connected from 192.0.2.44, which is in no prefix of security.management" in said
    assert table.objects is None
    assert run(tmp_path, ON, "apply", "--force") == 0


def test_nftables_that_cannot_be_asked_is_one_line_and_a_mend(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise ProvisionError("the program nft is missing", "apt-get install nftables")

    monkeypatch.setattr(table, "listing", missing)
    for action in ("check", "apply"):
        assert run(tmp_path, ON, action) == 1
        assert capsys.readouterr().err == "pointsman: the program nft is missing\n    mend: apt-get install nftables\n"


def test_files_with_errors_change_nothing(tmp_path: Path, table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, {"network.yaml": "network: [\n"}, "apply") == 1
    assert "network.yaml:" in capsys.readouterr().err
    assert table.objects is None


def a_process(proc: Path, pid: int, parent: int, **environment: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) S {parent} 1 1")
    text = "".join(f"{name}={value}\0" for name, value in environment.items())
    (proc / str(pid) / "environ").write_text(text)


def test_sudo_does_not_hide_from_where_one_is_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    a_process(tmp_path, 30, 20, PATH="/bin")
    a_process(tmp_path, 20, 10, SUDO_USER="ops")
    a_process(tmp_path, 10, 1, SSH_CONNECTION="192.0.2.44 50022 198.51.100.2 22")
    assert firewall.connected_from(tmp_path, 30) == "192.0.2.44"


def test_who_is_connected_by_nothing_has_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    a_process(tmp_path, 30, 20, PATH="/bin")
    assert firewall.connected_from(tmp_path, 30) is None


@pytest.mark.parametrize(
    ("written_security", "on"),
    [
        ("", False),
        ("security: {firewall: on}\n", True),
        ("security: {management: [10.0.9.0/24]}\n", True),
        ("security: {management: [10.0.9.0/24], firewall: off}\n", False),
        ("security: {key-age: 90d}\n", False),
    ],
)
def test_the_firewall_is_on_where_somebody_wants_it(tmp_path: Path, written_security: str, on: bool) -> None:
    configuration = reading(tmp_path, {"network.yaml": NETWORK + written_security})
    assert configuration.intent is not None
    assert configuration.intent.security.firewall is on
