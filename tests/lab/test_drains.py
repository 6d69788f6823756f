"""What operators say while traffic flows: drained, switched and brought back without a loss, also over a restart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from patient_policy import judged_patiently
from running_hub import RunningHub, copy_of_two_branches, kill, lost, running_hub

from hub.control.client import RefusedError, ask_controller

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    directory = judged_patiently(copy_of_two_branches(tmp_path_factory.mktemp("drains") / "config"))
    with running_hub("drains", directory, timers="relaxed") as built:
        yield built


@pytest.fixture(autouse=True)
def nothing_said(hub: RunningHub) -> Iterator[None]:
    """Each test begins and ends with all well and nothing drained, switched or frozen."""
    hub.wait_until_well()
    yield
    for one in ask(hub, "overrides")["overrides"]:
        match one["kind"]:
            case "drain":
                ask(hub, "undrain", number=one["number"])
            case "switch":
                ask(hub, "unswitch", branch=one["target"])
            case "freeze":
                ask(hub, "unfreeze", number=one["number"])


def ask(hub: RunningHub, question: str, **more: Any) -> Any:
    return ask_controller(hub.lab.place.run / "control.sock", {"ask": question, **more}, timeout=30)


def has_moved(hub: RunningHub, number: int) -> bool:
    return bool(ask(hub, "drain", number=number)["moved"])


def test_drained_and_undrained_without_a_loss(hub: RunningHub) -> None:
    with hub.probing("bandung", "tegal") as probe:
        (drain,) = ask(hub, "drain", target="bandung/fiber", reason="splice")["overrides"]
        hub.wait_until_on("bandung", "wireless")
        hub.wait_for(lambda _: has_moved(hub, drain["number"]), "the drain seen to have moved")
        assert hub.branch("tegal")["on"] == "fiber"
        ask(hub, "undrain", target="bandung/fiber")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


def test_all_branches_of_an_isp_leave_it_without_a_loss(hub: RunningHub) -> None:
    with hub.probing("bandung", "tegal") as probe:
        ask(hub, "drain", target="isp:telkom", rate="60/min")
        for branch in ("bandung", "tegal"):
            hub.wait_until_on(branch, "wireless")
        ask(hub, "undrain", target="isp:telkom")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


def test_switched_and_back_without_a_loss(hub: RunningHub) -> None:
    with hub.probing("bandung") as probe:
        ask(hub, "switch", branch="bandung", to="wireless")
        hub.wait_until_on("bandung", "wireless")
        ask(hub, "unswitch", branch="bandung")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


def test_a_drain_outlives_the_controller(hub: RunningHub) -> None:
    with hub.probing("bandung") as probe:
        ask(hub, "drain", target="bandung/fiber")
        hub.wait_until_on("bandung", "wireless")
        before = hub.pid("controller")
        kill(before)
        hub.wait_for(hub.is_back("controller", before), "another controller")
        hub.wait_until_on("bandung", "wireless")
        assert [one["target"] for one in ask(hub, "overrides")["overrides"]] == ["bandung/fiber"]
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


def test_the_last_tunnel_of_a_branch_is_not_drained_but_by_force(hub: RunningHub) -> None:
    ask(hub, "drain", target="bandung/wireless")
    with pytest.raises(RefusedError, match=r"would isolate bandung: wireless is drained \(drain \d+\)"):
        ask(hub, "drain", target="bandung/fiber")
    with hub.probing("bandung") as probe:
        (forced,) = ask(hub, "drain", target="bandung/fiber", force=True, reason="both at once")["overrides"]
        hub.wait_for(lambda _: hub.branch("bandung")["on"] is not None, "bandung still on a tunnel")
        assert not ask(hub, "drain", number=forced["number"])["safe"]
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
