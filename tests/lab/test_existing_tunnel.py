"""A tunnel that somebody made by hand, adopted by a running hub (`existing:`): watched and steered, and never touched.

bandung has two. Of its fiber the hub makes its own end. The hub's end of its wireless one is there before, made by `ip`
and `wg` with a name, a mark, an address and an MTU that Pointsman would not give it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from lab_world import output, succeeds, unique_place
from mixed_branches import Site, write
from patient_policy import judged_patiently
from running_hub import HOLD, Report, RunningHub, kill, lost

from hub.config import read
from hub.control.client import ask_controller
from hub.lab import build
from hub.lab.hub_processes import pointsman_command
from hub.lab.network import HUB, Network
from hub.lab.plan import hub_uplinks, plan
from hub.lab.scripts import FIRST_RULE
from hub.lab_overrides import TIMERS, LabOverrides, overridden

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

BY_HAND, MTU, ALSO, WHOSE = "vpn-bandung", 1380, "192.0.2.77/32", "netops, ticket 17"
ADOPTED = f"tunnels:\n  wireless: {{existing: {BY_HAND}, link: 10.255.0.6/31}}\n"
FIBER_ALONE = "  wireless: {isp: indosat}\n"


@dataclass(frozen=True)
class Adoption:
    """An Adoption is the running hub, the branch's file as it is with both tunnels, and the tunnel before anything."""

    hub: RunningHub
    file: Path
    both: str
    before: dict[str, Any]

    def as_it_is(self) -> dict[str, Any]:
        """All of the tunnel that somebody could have changed; another index would be another interface."""
        (link,) = json.loads(output(self.hub.lab, HUB, "ip", "-j", "-d", "address", "show", "dev", BY_HAND))
        addresses = sorted(f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"])
        kept = {key: link.get(key) for key in ("ifindex", "ifname", "ifalias", "mtu", "flags", "txqlen", "group")}
        return {**kept, "addresses": addresses, "wireguard": output(self.hub.lab, HUB, "wg", "showconf", BY_HAND)}

    def pointsman(self, *arguments: str, run_dir: bool = True) -> str:
        where = ["--run-dir", str(self.hub.lab.place.run)] if run_dir else []
        command = [*pointsman_command(), *arguments, *where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def told(self) -> dict[str, Any]:
        """What the provisioner says of its targets."""
        answer = ask_controller(self.hub.lab.place.run / "provisioner.sock", {"ask": "status"}, 20)
        assert not answer["refused"] and not answer["failed"] and not answer["findings"]
        targets: dict[str, Any] = answer["targets"]
        return targets

    def apply(self, text: str) -> None:
        self.file.write_text(text)
        self.pointsman("apply")


def made_by_hand(network: Network) -> Network:
    """The same, with another name and MTU of that tunnel."""
    (branch,) = network.branches
    tunnels = tuple(
        replace(each, hub_interface=BY_HAND, mtu=MTU) if each.name == "bandung/wireless" else each
        for each in branch.tunnels
    )
    return replace(network, branches=(replace(branch, tunnels=tunnels),))


@pytest.fixture(scope="module")
def adoption(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adoption]:
    """A hub that runs and knows of the fiber alone, beside the other tunnel, which is up."""
    directory = judged_patiently(
        write(tmp_path_factory.mktemp("existing") / "config", Site("bandung", "bird"), both=False)
    )
    intent = read(directory).intent
    assert intent is not None
    overrides = LabOverrides(TIMERS["relaxed"], HOLD)
    place = unique_place("existing")
    try:
        network = made_by_hand(plan(overridden(intent, overrides)))
        lab = build.up(network, place, configuration=directory, overrides=overrides, with_hub=False)
        assert succeeds(lab, HUB, "ip", "link", "set", BY_HAND, "alias", WHOSE)
        assert succeeds(lab, HUB, "ip", "address", "add", ALSO, "dev", BY_HAND)
        for number, uplink in enumerate(network.hub.uplinks):  # what pins the uplinks the hub makes itself
            assert succeeds(lab, HUB, "ip", "route", "flush", "table", str(uplink.mark))
            for priority in (FIRST_RULE + number, FIRST_RULE + 500 + number):
                assert succeeds(lab, HUB, "ip", "rule", "delete", "priority", str(priority))
        file = directory / "branches" / "bandung.yaml"
        both = file.read_text() + ADOPTED
        file.write_text(file.read_text().replace(FIBER_ALONE, ""))
        hub = RunningHub(lab, replace(overrides, uplinks=hub_uplinks(network)))
        made = Adoption(hub, file, both, {})
        before = made.as_it_is()
        hub.start_again()
        hub.wait_until_well()
        yield replace(made, before=before)
    finally:
        build.down(place)


def test_it_is_watched_from_its_adoption_on_which_loses_nothing(adoption: Adoption) -> None:
    hub = adoption.hub
    with hub.probing("bandung") as probe:
        adoption.file.write_text(adoption.both)
        assert BY_HAND not in adoption.pointsman("plan", "--only", "tunnels"), "nothing is planned for it"
        adoption.pointsman("apply")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    hub.wait_for(lambda report: (_wireless(report)["wg"] or {}).get("handshake") is not None, "its handshake seen")
    wireless = _wireless(hub.report())
    assert (wireless["interface"], wireless["liveness"], wireless["session"]) == (BY_HAND, "up", "up")
    assert adoption.told()["bandung/wireless"]["existing"] is True
    assert adoption.as_it_is() == adoption.before


def _wireless(report: Report) -> Report:
    (branch,) = report["branches"]
    found: Report = next(each for each in branch["tunnels"] if each["tunnel"] == "wireless")
    return found


def test_it_is_steered_and_a_move_to_it_and_back_loses_nothing(adoption: Adoption) -> None:
    hub = adoption.hub
    hub.wait_until_well()
    with hub.probing("bandung") as probe:
        adoption.pointsman("drain", "bandung/fiber")
        hub.wait_until_on("bandung", "wireless")
        adoption.pointsman("undrain", "bandung/fiber")
        hub.wait_until_on("bandung", "fiber")
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert adoption.as_it_is() == adoption.before


def test_it_survives_an_apply_and_is_changed_by_none(adoption: Adoption) -> None:
    hub = adoption.hub
    hub.wait_until_well()
    with hub.probing("bandung") as probe:
        adoption.apply(adoption.both + "prefer: [wireless, fiber]\n")
        hub.wait_until_on("bandung", "wireless")
        adoption.pointsman("apply", "--only", "tunnels")
        adoption.apply(adoption.both)
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert adoption.as_it_is() == adoption.before


@pytest.mark.parametrize("process", ["provisioner", "forwarder"])
def test_a_process_that_begins_anew_leaves_it_alone(adoption: Adoption, process: str) -> None:
    hub = adoption.hub
    before = hub.pid(process)
    kill(before)
    hub.wait_for(lambda _: hub.pid(process) != before, f"{process} again")
    hub.wait_until_well()
    hub.wait_for(lambda _: "bandung/wireless" in adoption.told(), "the provisioner's answer")
    assert adoption.as_it_is() == adoption.before


def test_it_is_there_and_answers_when_its_branch_was_removed(adoption: Adoption) -> None:
    hub = adoption.hub
    hub.wait_until_well()
    ours = adoption.told()["bandung/fiber"]["interface"]
    removed = adoption.pointsman(
        "branch", "remove", "bandung", "--yes", "--config", str(adoption.file.parents[1]), run_dir=False
    )
    assert "branches/bandung.yaml" in removed
    adoption.pointsman("apply", "--force")
    hub.wait_for(lambda _: ours not in output(hub.lab, HUB, "ip", "link"), "our own tunnel gone")
    assert hub.report()["branches"] == []
    assert adoption.as_it_is() == adoption.before
    assert succeeds(hub.lab, HUB, "ping", "-q", "-c", "1", "-w", "10", "10.255.0.7")
