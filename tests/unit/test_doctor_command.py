"""`pointsman doctor` as one sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_directories import written

from hub.cli.doctor import as_json, as_text
from hub.cli.main import main
from hub.doctor.findings import Finding, fine, unseen, warning, wrong

FINDINGS = [
    *(wrong("tunnels", "interface", f"interface wg{number} is not there", "create it") for number in range(5)),
    warning("clock", "synchronized", "the clock is not synchronized", "set it"),
    unseen("firewall", "ruleset", "the firewall's rules", "needs root"),
    fine("kernel", "nexthops", "nexthop objects are there"),
]


def test_what_is_bad_is_shown_with_its_mend_and_of_many_alike_the_first_few() -> None:
    assert as_text("/etc/pointsman", FINDINGS, verbose=False, colour=False).splitlines() == [
        "configuration: /etc/pointsman",
        "tunnels: interface wg0 is not there",
        "    mend: create it",
        "tunnels: interface wg1 is not there",
        "    mend: create it",
        "tunnels: interface wg2 is not there",
        "    mend: create it",
        "tunnels: and 2 more like these (--verbose shows them)",
        "clock: warning: the clock is not synchronized",
        "    mend: set it",
        "firewall: not looked at: the firewall's rules: needs root",
        "5 wrong, 1 warning, 1 not looked at, 1 fine",
    ]


def test_in_a_labs_shell_the_labs_configuration_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POINTSMAN_CONFIG", str(written(tmp_path, {})))
    main(["doctor"])
    assert capsys.readouterr().out.startswith(f"configuration: {tmp_path}\n")


def test_verbose_shows_everything() -> None:
    text = as_text("/etc/pointsman", FINDINGS, verbose=True, colour=False)
    assert "tunnels: interface wg4 is not there" in text
    assert "kernel: fine: nexthop objects are there" in text


def test_on_a_terminal_the_place_has_a_colour() -> None:
    assert "\033[1;31mtunnels:\033[0m interface" in as_text("/etc", FINDINGS, verbose=False, colour=True)


@pytest.mark.parametrize(("findings", "said"), [(FINDINGS[-1:], "1 fine"), ([], "nothing was looked at")])
def test_when_all_is_well_it_is_said_in_one_line(findings: list[Finding], said: str) -> None:
    assert as_text("/d", findings, verbose=False, colour=False) == f"configuration: /d\n{said}"


def test_json_has_what_is_fine_too() -> None:
    data = as_json("/etc/pointsman", FINDINGS)
    assert [data[key] for key in ("wrong", "warning", "not-looked-at", "fine")] == [5, 1, 1, 1]
    assert isinstance(data["findings"], list)
    assert data["findings"][-1] == {
        "severity": "fine",
        "place": "kernel",
        "check": "nexthops",
        "text": "nexthop objects are there",
        "mend": None,
    }


def asked(tmp_path: Path, config: Path, *options: str) -> int:
    places = ("--config", str(config), "--run-dir", str(tmp_path / "run"), "--state-dir", str(tmp_path / "state"))
    return main(["doctor", *places, *options])


def test_the_errors_of_the_configuration_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = written(tmp_path / "config", {"branches/bandung.yaml": "as: none\n"})
    assert asked(tmp_path, config) == 1
    said = capsys.readouterr().out
    assert f"configuration: {config} cannot be used, 3 errors: branches/bandung.yaml" in said
    assert f"    mend: pointsman check {config}" in said


def test_this_machine_can_be_looked_at_and_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path / "config", {})
    before = sorted(tmp_path.rglob("*"))
    asked(tmp_path, config, "--json")
    data = json.loads(capsys.readouterr().out)
    assert {"configuration", "forwarding", "tunnels", "kernel", "clock", "disk", "programs"} <= {
        finding["place"] for finding in data["findings"]
    }
    assert sorted(tmp_path.rglob("*")) == before
