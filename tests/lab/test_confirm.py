"""A configuration that must be confirmed, on a whole hub: traffic flows both ways of it, over deaths and restarts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from patient_policy import judged_patiently
from running_hub import RunningHub, copy_of_two_branches, is_alive, kill, lost, running_hub

from hub.cli.main import main
from hub.control.client import RefusedError, ask_controller

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the tests change."""
    return judged_patiently(copy_of_two_branches(tmp_path_factory.mktemp("confirm") / "config"))


@pytest.fixture(scope="module")
def hub(configuration: Path) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    with running_hub("confirm", configuration, timers="relaxed") as built:
        yield built


@pytest.fixture
def bandung(configuration: Path) -> Iterator[Path]:
    """Its file, as it was afterwards."""
    file = configuration / "branches" / "bandung.yaml"
    text = file.read_text()
    yield file
    file.write_text(text)


def command(hub: RunningHub, *typed: str) -> int:
    return main([*typed, "--run-dir", str(hub.lab.place.run)])


def without_fiber(file: Path) -> None:
    file.write_text(file.read_text().replace("  fiber:    {isp: telkom}\n", ""))


def is_back(hub: RunningHub) -> None:
    hub.wait_for(lambda report: report["configuration"]["gone_back"] is not None, "gone back", patience=150.0)
    hub.wait_until_on("bandung", "fiber")


def test_what_nobody_confirms_goes_back_without_loss_though_the_controller_dies_meanwhile(
    hub: RunningHub, bandung: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub.probing("bandung", "tegal") as probe:
        without_fiber(bandung)
        assert command(hub, "apply", "--confirm-within", "60s") == 0
        out = capsys.readouterr().out
        assert "bandung on wireless" in out
        kept = f"Keep it: pointsman confirm --run-dir {hub.lab.place.run}. Otherwise it goes back at"
        assert kept in out
        with pytest.raises(RefusedError, match="unless confirmed; until then nothing is applied"):
            ask_controller(hub.lab.place.run / "control.sock", {"ask": "apply"}, timeout=60)
        before = hub.pid("controller")
        kill(before)
        hub.wait_for(hub.is_back("controller", before), "the controller back")
        hub.wait_for(lambda report: report["configuration"]["confirm"] is not None, "it goes on waiting")
        assert command(hub, "status") == 0
        assert "unless confirmed: pointsman confirm" in capsys.readouterr().out
        is_back(hub)
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert command(hub, "plan") == 0
    out = capsys.readouterr().out
    assert "nobody confirmed it within 60s; the files are not what is in force" in out
    assert "- tunnel fiber" in out


def test_what_is_confirmed_stays_until_it_is_gone_back_from_by_hand(
    hub: RunningHub, bandung: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub.probing("bandung", "tegal") as probe:
        without_fiber(bandung)
        assert command(hub, "apply", "--confirm-within", "10m") == 0
        assert command(hub, "confirm") == 0
        assert "stays in force" in capsys.readouterr().out
        assert command(hub, "confirm") == 1
        assert command(hub, "rollback") in (0, 4)
        hub.wait_until_on("bandung", "fiber")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert command(hub, "rollback") == 1
    assert "was gone back to already" in capsys.readouterr().err


def test_a_hub_that_starts_after_the_time_is_over_goes_back_at_its_start_whatever_the_files_say(
    hub: RunningHub, bandung: Path
) -> None:
    without_fiber(bandung)
    assert command(hub, "apply", "--confirm-within", "10s") == 0
    until = datetime.fromisoformat(hub.report()["configuration"]["confirm"]["until"])
    supervisor = hub.supervisor()
    os.kill(supervisor, 15)
    deadline = time.monotonic() + 60
    while is_alive(supervisor) or datetime.now(until.tzinfo) < until:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    hub.start_again()
    is_back(hub)
    hub.wait_until_well()
    assert "stays in force, and goes back at" in hub.log()
