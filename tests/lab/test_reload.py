"""Changing the configuration of a running hub: nobody else notices."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_world import output
from running_hub import Report, RunningHub, copy_of_two_branches, lost, running_hub

from hub.lab.network import HUB

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the tests change."""
    return copy_of_two_branches(tmp_path_factory.mktemp("reload") / "config")


@pytest.fixture(scope="module")
def hub(configuration: Path) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    with running_hub("load", configuration) as built:
        yield built


def reread(hub: RunningHub) -> None:
    os.kill(hub.pid("controller"), signal.SIGHUP)


def names(report: Report) -> set[str]:
    return {branch["branch"] for branch in report["branches"]}


def sessions_lost(hub: RunningHub, branch: str) -> int:
    return sum(line.count("BGP session down") for line in hub.log().splitlines() if f" {branch}/" in line)


def test_a_branch_goes_and_comes_back_while_another_notices_nothing(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "tegal.yaml"
    text = file.read_text()
    before = sessions_lost(hub, "bandung")
    with hub.probing("bandung") as probe:
        file.unlink()
        reread(hub)
        hub.wait_for(lambda report: names(report) == {"bandung"}, "tegal gone")
        hub.wait_for(lambda _: "10.8.0.0/24" not in routes(hub), "tegal's routes gone")
        file.write_text(text)
        reread(hub)
        hub.wait_for(lambda report: names(report) == {"bandung", "tegal"}, "tegal back")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert sessions_lost(hub, "bandung") == before


def routes(hub: RunningHub) -> str:
    return output(hub.lab, HUB, "ip", "route", "show", "proto", "112")


def test_a_configuration_with_an_error_changes_nothing(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "tegal.yaml"
    text = file.read_text()
    try:
        file.write_text("as: nonsense\n")
        reread(hub)
        hub.wait_for(lambda _: "the one before stays in force" in hub.log(), "the refusal")
        hub.wait_until_well()
        assert names(hub.report()) == {"bandung", "tegal"}
    finally:
        file.write_text(text)
        reread(hub)
