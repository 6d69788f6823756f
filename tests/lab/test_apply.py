"""The configuration changed while traffic flows: planned, applied, nobody else disturbed, nothing lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lab_world import output
from patient_policy import judged_patiently
from running_hub import Report, RunningHub, copy_of_two_branches, kill, lost, running_hub

from hub.control.client import NotRunningError, RefusedError, ask_controller
from hub.lab.network import HUB
from hub.lab.probe import Probe, ProbeReport

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the tests change."""
    return judged_patiently(copy_of_two_branches(tmp_path_factory.mktemp("apply") / "config"))


@pytest.fixture(scope="module")
def hub(configuration: Path) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    with running_hub("apply", configuration, timers="relaxed") as built:
        yield built


def ask(hub: RunningHub, **question: Any) -> dict[str, Any]:
    return ask_controller(hub.lab.place.run / "control.sock", question, timeout=60)


def names(report: Report) -> set[str]:
    return {branch["branch"] for branch in report["branches"]}


def sessions_lost(hub: RunningHub, branch: str) -> int:
    return sum(line.count("BGP session down") for line in hub.log().splitlines() if f" {branch}/" in line)


def routes(hub: RunningHub) -> str:
    return output(hub.lab, HUB, "ip", "route", "show", "proto", "112")


def until_put_back(hub: RunningHub, file: Path, text: str, probe: Probe) -> Mapping[str, ProbeReport]:
    """What traffic noticed until this text was in force again, and all was well."""
    file.write_text(text)
    ask(hub, ask="apply")
    hub.wait_until_well()
    probe.mark("well")
    return probe.report(None, "well")


def test_a_branch_goes_and_comes_back_while_another_notices_nothing(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "tegal.yaml"
    text = file.read_text()
    before = sessions_lost(hub, "bandung")
    with hub.probing("bandung") as probe:
        file.unlink()
        applied = ask(hub, ask="apply", plan=ask(hub, ask="plan")["id"])
        assert [branch["is"] for branch in applied["plan"]["branches"]] == ["removed"]
        hub.wait_for(lambda report: names(report) == {"bandung"}, "tegal gone")
        hub.wait_for(lambda _: "10.8.0.0/24" not in routes(hub), "tegal's routes gone")
        file.write_text(text)
        ask(hub, ask="apply")
        hub.wait_for(lambda report: names(report) == {"bandung", "tegal"}, "tegal back")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert sessions_lost(hub, "bandung") == before


def test_a_tunnel_that_goes_is_left_by_its_traffic_first(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "bandung.yaml"
    text = file.read_text()
    with hub.probing("bandung", "tegal") as probe:
        file.write_text(text.replace("  fiber:    {isp: telkom}\n", ""))
        planned = ask(hub, ask="plan")
        assert [(b["on"], b["to"], b["on_one_path"]) for b in planned["branches"]] == [("fiber", "wireless", True)]
        assert ask(hub, ask="apply", plan=planned["id"])["waiting"] == []
        hub.wait_until_on("bandung", "wireless")
        assert [tunnel["tunnel"] for tunnel in hub.branch("bandung")["tunnels"]] == ["wireless"]
        seen = until_put_back(hub, file, text, probe)
    assert lost(seen) == 0


def test_another_preference_moves_the_branch_without_loss(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "bandung.yaml"
    text = file.read_text()
    with hub.probing("bandung", "tegal") as probe:
        file.write_text(f"{text}prefer: [wireless, fiber]\n")
        ask(hub, ask="apply")
        hub.wait_until_on("bandung", "wireless")
        file.write_text(text)
        ask(hub, ask="apply")
        hub.wait_until_on("bandung", "fiber")
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


def test_a_plan_that_is_no_longer_true_is_refused(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "bandung.yaml"
    text = file.read_text()
    try:
        file.write_text(f"{text}prefer: [wireless, fiber]\n")
        old = ask(hub, ask="plan")["id"]
        file.write_text(f"{text}prefer: [wireless, fiber]\nprefix-limit: 3\n")
        with pytest.raises(RefusedError, match=f"{old} is not the present plan"):
            ask(hub, ask="apply", plan=old)
    finally:
        file.write_text(text)
    assert hub.branch("bandung")["preferred"] == "fiber"


def test_an_empty_directory_removes_nothing_unless_it_is_forced_to(hub: RunningHub, configuration: Path) -> None:
    aside = configuration / "aside"
    (configuration / "branches").rename(aside)
    try:
        with pytest.raises(RefusedError, match="all 2 branches would be removed"):
            ask(hub, ask="apply")
    finally:
        aside.rename(configuration / "branches")
    assert names(hub.report()) == {"bandung", "tegal"}


def test_a_configuration_with_an_error_changes_nothing_and_the_refusal_says_where(
    hub: RunningHub, configuration: Path
) -> None:
    file = configuration / "branches" / "tegal.yaml"
    text = file.read_text()
    try:
        file.write_text("as: nonsense\n")
        with pytest.raises(RefusedError, match=r"branches/tegal\.yaml:1:5"):
            ask(hub, ask="apply")
        os.kill(hub.pid("controller"), signal.SIGHUP)
        hub.wait_for(lambda _: "the one before stays in force" in hub.log(), "the refusal")
        assert names(hub.report()) == {"bandung", "tegal"}
    finally:
        file.write_text(text)


def test_a_controller_that_dies_over_an_edit_comes_back_with_what_was_in_force(
    hub: RunningHub, configuration: Path
) -> None:
    file = configuration / "branches" / "tegal.yaml"
    text = file.read_text()
    try:
        file.write_text("as: nonsense\n")
        before = hub.pid("controller")
        kill(before)
        hub.wait_for(hub.is_back("controller", before), "the controller back")
        hub.wait_until_well()
        assert names(hub.report()) == {"bandung", "tegal"}
    finally:
        file.write_text(text)


def test_a_controller_that_dies_while_a_tunnel_is_left_goes_on_leaving_it(hub: RunningHub, configuration: Path) -> None:
    file = configuration / "branches" / "bandung.yaml"
    text = file.read_text()
    before = hub.log().count("removed: bandung/fiber")
    taken = hub.log().count("is in force")
    with hub.probing("bandung", "tegal") as probe, ThreadPoolExecutor() as beside:
        file.write_text(text.replace("  fiber:    {isp: telkom}\n", ""))
        applying = beside.submit(ask, hub, ask="apply")
        hub.wait_for(lambda _: hub.log().count("is in force") > taken, "the apply begun")
        kill(hub.pid("controller"))
        with pytest.raises(NotRunningError):
            applying.result(60)
        hub.wait_for(lambda _: hub.log().count("removed: bandung/fiber") > before, "the tunnel left and removed")
        hub.wait_until_on("bandung", "wireless")
        seen = until_put_back(hub, file, text, probe)
    assert lost(seen) == 0


def test_half_a_checkout_is_refused_by_a_signal_and_said_with_its_mend(hub: RunningHub, configuration: Path) -> None:
    branches, aside = configuration / "branches", configuration / "aside"
    branches.rename(aside)
    try:
        os.kill(hub.pid("controller"), signal.SIGHUP)
        hub.wait_for(lambda report: "all 2 branches would be removed" in str(report["problems"]), "the refusal")
        assert "pointsman apply --force" in str(hub.report()["problems"])
    finally:
        aside.rename(branches)
    os.kill(hub.pid("controller"), signal.SIGHUP)
    hub.wait_for(lambda report: "would be removed" not in str(report["problems"]), "the problem gone")
