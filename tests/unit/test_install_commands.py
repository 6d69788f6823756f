"""`pointsman install` and `uninstall` below a root of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hub.cli import uninstall as uninstalling
from hub.cli.main import main
from hub.installation import machine
from hub.installation.shipped import CONFIG, MARK, InstallationError, check_interpreter, shipped
from hub.provisioner.sysctls import backend as sysctls

PYTHON = "/opt/pointsman/bin/python3"
UNIT = "etc/systemd/system/pointsman-controller.service"

Run = Callable[..., int]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "image"
    made.mkdir()
    return made


@pytest.fixture
def install(root: Path) -> Run:
    return lambda *more: main(["install", "--root", str(root), "--python", PYTHON, *more])


@pytest.fixture
def uninstall(root: Path) -> Run:
    return lambda *more: main(["uninstall", "--root", str(root), *more])


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_shipped_file_is_marked_as_ours_and_filled_in() -> None:
    for each in shipped(PYTHON):
        assert MARK in each.text.partition("\n")[0], each.path
        assert "@PYTHON@" not in each.text
        assert "@USER@" not in each.text


def test_all_files_that_are_there_are_shipped() -> None:
    there = {
        path.name
        for folder in ("systemd", "sysusers.d", "tmpfiles.d", "sysctl.d", "NetworkManager")
        for path in (CONFIG / folder).rglob("*")
        if path.is_file()
    }
    assert {Path(each.path).name for each in shipped(PYTHON)} == there


def test_it_puts_everything_in_place_and_shows_it_first(
    root: Path, install: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install("--dry-run") == 1
    shown = capsys.readouterr().out
    assert f"+++ /{UNIT}" in shown
    assert f"+ExecStart={PYTHON} -P -m hub.controller" in shown
    assert files(root) == {}
    assert install() == 0
    assert f"ExecStart={PYTHON} -P -m hub.controller" in (root / UNIT).read_text()
    assert capsys.readouterr().out.startswith(shown)


def test_a_second_time_changes_nothing(root: Path, install: Run, capsys: pytest.CaptureFixture[str]) -> None:
    install()
    before, inode = files(root), (root / UNIT).stat().st_ino
    capsys.readouterr()
    assert install() == 0
    assert capsys.readouterr().out == "everything is in place already\n"
    assert (files(root), (root / UNIT).stat().st_ino) == (before, inode)
    assert install("--dry-run") == 0


def test_another_user_is_another_user_everywhere(root: Path, install: Run) -> None:
    install("--user", "wan")
    assert "\nUser=wan\n" in (root / UNIT).read_text()
    assert "\nu wan-exabgp - " in (root / "etc/sysusers.d/pointsman.conf").read_text()
    assert "u:wan-forwarder:rwx" in (root / "etc/tmpfiles.d/pointsman.conf").read_text()


@pytest.mark.parametrize("user", ["", "Root", "a b", "x\nUser=root", "a" * 23])
def test_a_name_that_is_none_is_refused(install: Run, user: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert install("--user", user) == 1
    assert "is no name for a user" in capsys.readouterr().err


def test_an_upgrade_replaces_what_was_ours_and_takes_away_what_is_no_longer(root: Path, install: Run) -> None:
    install()
    assert main(["install", "--root", str(root), "--python", "/opt/new/bin/python3"]) == 0
    assert "/opt/new/bin/python3" in (root / UNIT).read_text()


def test_what_somebody_else_wrote_is_left_alone_unless_forced(
    root: Path, install: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = root / UNIT
    foreign.parent.mkdir(parents=True)
    foreign.write_text("[Service]\nExecStart=/bin/other\n")
    assert install() == 1
    assert f"pointsman: /{UNIT} is not ours: left as it is\n    mend: --force replaces it" in capsys.readouterr().err
    assert foreign.read_text() == "[Service]\nExecStart=/bin/other\n"
    assert (root / "etc/systemd/system/pointsman.target").exists()
    assert install("--force") == 0
    assert MARK in foreign.read_text()


def test_what_somebody_changed_in_our_file_is_left_alone_unless_forced(
    root: Path, install: Run, uninstall: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    install()
    with (root / UNIT).open("a") as file:
        file.write("# mine\n")
    assert install() == 1
    assert "is ours, and was changed by somebody: left as it is" in capsys.readouterr().err
    assert uninstall() == 1
    assert (root / UNIT).read_text().endswith("# mine\n")
    assert not (root / "etc/systemd/system/pointsman.target").exists()
    assert uninstall("--force") == 0
    assert not (root / UNIT).exists()


def test_a_file_of_ours_that_nobody_remembers_is_replaced(root: Path, install: Run) -> None:
    install()
    (root / "var/lib/pointsman/installed.json").unlink()
    assert main(["install", "--root", str(root), "--python", "/opt/new/bin/python3"]) == 0
    assert "/opt/new/bin/python3" in (root / UNIT).read_text()


def test_uninstalled_is_as_it_was_before_but_for_the_state(root: Path, install: Run, uninstall: Run) -> None:
    (root / "etc/sysctl.d").mkdir(parents=True)
    (root / "etc/sysctl.d/other.conf").write_text("net.core.somaxconn = 1\n")
    before = files(root)
    install()
    (root / "var/lib/pointsman/controller.db").write_text("state")
    assert uninstall("--dry-run") == 0
    assert (root / UNIT).exists()
    assert uninstall() == 0
    assert files(root) == {**before, "var/lib/pointsman/controller.db": "state"}
    assert not (root / "etc/systemd").exists()
    assert uninstall() == 0


def test_state_and_keys_go_only_when_that_is_meant(
    root: Path, install: Run, uninstall: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    key = root / "var/lib/pointsman/keys/bandung-fiber.key"
    key.parent.mkdir()
    key.write_text("secret")
    monkeypatch.setattr("builtins.input", lambda: "no")
    assert uninstall("--purge") == 1
    assert key.exists()
    assert (root / UNIT).exists()
    monkeypatch.setattr("builtins.input", lambda: "yes")
    assert uninstall("--purge") == 0
    assert not (root / "var/lib/pointsman").exists()


@pytest.fixture
def settings(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a machine that is taken for the running one; no program of it is run."""
    below = root / "proc/sys"
    for name, value in {"net/ipv4/ip_forward": "1", "net/ipv4/conf/eth0/rp_filter": "0"}.items():
        (below / name).parent.mkdir(parents=True, exist_ok=True)
        (below / name).write_text(f"{value}\n")
    made = {"net/ipv4/ip_forward": ["0", "1"], "net/ipv4/conf/eth0/rp_filter": ["1", "2"]}
    (root / "var/lib/pointsman").mkdir(parents=True)
    (root / "var/lib/pointsman/sysctls.json").write_text(json.dumps(made))
    (root / "var/lib/pointsman/sysctls.json").chmod(0o600)
    monkeypatch.setattr(uninstalling, "_run", lambda *_: None)
    monkeypatch.setattr(machine, "run", lambda *_: None)
    monkeypatch.setattr(machine.Machine, "runs", True)
    monkeypatch.setattr(sysctls, "Sysctls", partial(sysctls.Sysctls, root=below))
    return below


def test_purged_settings_of_the_kernel_are_what_they_were_unless_somebody_changed_them_since(
    uninstall: Run, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert uninstall("--purge", "--yes") == 0
    assert (settings / "net/ipv4/ip_forward").read_text() == "0\n"
    assert (settings / "net/ipv4/conf/eth0/rp_filter").read_text() == "0\n"
    assert "put back: net.ipv4.ip_forward=0\n" in capsys.readouterr().out


def test_settings_that_cannot_be_put_back_are_said_with_the_mend(
    uninstall: Run, settings: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "var/lib/pointsman/sysctls.json").write_text("{")
    assert uninstall("--purge", "--yes") == 0
    assert "what the settings were cannot be read" in capsys.readouterr().err
    assert (settings / "net/ipv4/ip_forward").read_text() == "1\n"


def test_what_stays_in_the_kernel_keeps_its_settings(
    install: Run, uninstall: Run, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", "--root", str(settings.parent.parent), "--python", PYTHON]) == 0
    assert uninstall() == 0
    assert (settings / "net/ipv4/ip_forward").read_text() == "1\n"
    assert "--purge puts them back" in capsys.readouterr().out


def test_a_half_done_installation_is_finished_by_the_next(root: Path, install: Run, uninstall: Run) -> None:
    (root / "etc").mkdir()
    (root / "etc/tmpfiles.d").write_text("a file where a directory should be")
    assert install() == 1
    (root / "etc/tmpfiles.d").unlink()
    assert install() == 0
    assert uninstall() == 0
    assert list(files(root)) == []


def test_an_image_whose_interpreter_is_not_named_is_told_to_name_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/home/me/venv/bin/python3")
    assert main(["install", "--root", str(root), "--dry-run"]) == 1
    assert capsys.readouterr().err == (
        "pointsman: the units do not see /home/me/venv/bin/python3: they are kept out of /home/\n"
        "    mend: name the interpreter that the image has: --python /opt/pointsman/bin/python3\n"
    )


def test_a_damaged_record_is_said(root: Path, install: Run, capsys: pytest.CaptureFixture[str]) -> None:
    install()
    (root / "var/lib/pointsman/installed.json").write_text("{")
    assert install() == 1
    assert "installed.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("python", ["/root/venv/bin/python3", "/home/ops/venv/bin/python3", "/tmp/venv/bin/python3"])
def test_an_interpreter_that_the_units_cannot_see_is_refused(python: str) -> None:
    with pytest.raises(InstallationError, match="the units do not see"):
        check_interpreter(Path(python))


def test_a_link_to_an_interpreter_that_the_units_cannot_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "resolve", lambda _self: Path("/root/.pyenv/bin/python3"))
    with pytest.raises(InstallationError, match=r"the units do not see /root/\.pyenv"):
        check_interpreter(Path("/opt/pointsman/bin/python3"))


NAMES = ("pointsman.target", "pointsman-exabgp@1.path", "pointsman-exabgp@1.service")
SERVICES = {"forwarder": 1.8, "controller": 1.5, "provisioner": 2.6, "exabgp@1": 1.8}
"""The exposure that systemd-analyze finds at most (0 none, 10 all): docs/reference/units.md says what it is made of."""


@pytest.fixture
def image(root: Path, install: Run) -> Path:
    """An image of a machine with what our units name."""
    for program in ("opt/pointsman/bin/python3", "bin/kill"):
        path = root / program
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    assert install() == 0
    return root


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_against_the_units(image: Path) -> None:
    services = [f"pointsman-{name}.service" for name in SERVICES if "@" not in name]
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={image}", *services, *NAMES],
        capture_output=True,
        text=True,
        cwd=image / "etc/systemd/system",
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_may_do_hardly_more_than_it_must(image: Path, name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--root={image}", "--no-pager", f"pointsman-{name}.service"],
        capture_output=True,
        text=True,
        cwd=image / "etc/systemd/system",
    )
    overall = done.stdout.rpartition("Overall exposure level for ")[2]
    assert float(overall.split()[1]) <= SERVICES[name], done.stdout


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_users_can_be_made(root: Path, install: Run) -> None:
    install("--user", "wan")
    done = subprocess.run(["systemd-sysusers", f"--root={root}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [line.split(":")[0] for line in (root / "etc/passwd").read_text().splitlines()]
    assert sorted(made) == ["wan", "wan-exabgp", "wan-forwarder"]
