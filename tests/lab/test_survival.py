"""Whatever dies, the traffic is the judge: real tunnels, real BIRD, real ExaBGP, the hub as in production."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lab_world import output, succeeds
from patient_policy import judged_patiently
from running_hub import RunningHub, copy_of_two_branches, kill, lost, running_hub, ways

from hub.lab import disturb
from hub.lab.disturbances import Direction
from hub.lab.network import HUB

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    with running_hub(
        "live", judged_patiently(copy_of_two_branches(tmp_path_factory.mktemp("live") / "config"))
    ) as built:
        yield built


@pytest.fixture(autouse=True)
def well(hub: RunningHub) -> Iterator[None]:
    """Every test begins with everything up, and ends with nothing cut."""
    hub.wait_until_well()
    yield
    disturb.heal(hub.lab)


@pytest.mark.parametrize("branch", ["bandung", "tegal"])
def test_a_cut_moves_both_directions_and_the_way_back_loses_nothing(hub: RunningHub, branch: str) -> None:
    with hub.probing(branch) as probe:
        disturb.cut(hub.lab, f"{branch}/fiber")
        hub.wait_until_on(branch, "wireless")
        probe.mark("moved")
        disturb.heal(hub.lab)
        hub.wait_until_well()
        probe.mark("back")
        after = probe.report("moved", "back")
        before = probe.report(None, "moved")
    assert all(way.outages and all(outage.ended for outage in way.outages) for way in ways(before))
    assert lost(after) == 0


@pytest.mark.parametrize("direction", [Direction.TO_BRANCH, Direction.TO_HUB])
def test_a_cut_of_one_direction_moves_both(hub: RunningHub, direction: Direction) -> None:
    disturb.cut(hub.lab, "bandung/fiber", direction)
    hub.wait_until_on("bandung", "wireless")


def test_the_survivor_beats_what_the_branch_holds_and_gives_it_back(hub: RunningHub) -> None:
    disturb.cut(hub.lab, "tegal/fiber")
    hub.wait_until_on("tegal", "wireless")
    assert meds(hub)["wireless"] < 1000
    disturb.heal(hub.lab)
    hub.wait_until_well()
    hub.wait_for(lambda _: meds(hub) == {"fiber": 1000, "wireless": 1100}, "what is announced as before")


def meds(hub: RunningHub) -> dict[str, int]:
    return {tunnel["tunnel"]: tunnel["med"] for tunnel in hub.branch("tegal")["tunnels"]}


def test_a_killed_controller_does_not_keep_the_hub_from_failing_over(hub: RunningHub) -> None:
    before = hub.pid("controller")
    with hub.probing("bandung") as probe:
        kill(before)
        disturb.cut(hub.lab, "bandung/fiber")
        hub.wait_for(hub.is_back("controller", before), "a new controller")
        hub.wait_until_on("bandung", "wireless")
        probe.mark("moved")
        to_branch = probe.report(None, "moved")["bandung"].to_branch
    assert all(outage.ended for outage in to_branch.outages)


@pytest.mark.parametrize("process", ["forwarder", "exabgp-1", "controller"])
def test_a_killed_process_loses_no_packet_and_is_back_by_itself(hub: RunningHub, process: str) -> None:
    before = hub.pid(process)
    with hub.probing() as probe:
        kill(before)
        hub.wait_for(hub.is_back(process, before), f"a new {process}")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


def test_a_killed_relay_loses_no_packet_and_no_session(hub: RunningHub) -> None:
    before, exabgp = hub.relay(), hub.pid("exabgp-1")
    with hub.probing() as probe:
        kill(before)
        hub.wait_for(lambda _: hub.relay() not in (0, before), "a new relay")
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert hub.pid("exabgp-1") == exabgp


def test_a_failover_after_the_relay_was_killed_still_reaches_the_branch(hub: RunningHub) -> None:
    before = hub.relay()
    kill(before)
    hub.wait_for(lambda _: hub.relay() not in (0, before), "a new relay")
    hub.wait_until_well()
    disturb.cut(hub.lab, "tegal/fiber")
    hub.wait_until_on("tegal", "wireless")


def test_with_all_tunnels_down_nothing_leaves_the_hub_by_another_way(hub: RunningHub) -> None:
    rules = (
        "add table inet leak; add chain inet leak out { type filter hook postrouting priority 0; }; "
        'add rule inet leak out oifname { "eth0", "eth1" } ip daddr 10.1.0.0/24 counter'
    )
    assert succeeds(hub.lab, HUB, "nft", rules)
    disturb.cut(hub.lab, "bandung")
    hub.wait_for(
        lambda report: all(t["liveness"] == "down" for b in report["branches"][:1] for t in b["tunnels"]),
        "both tunnels of bandung down",
    )
    assert not succeeds(hub.lab, "hq", "ping", "-q", "-c", "5", "-i", "0.2", "-W", "1", "10.1.0.2")
    assert "counter packets 0 " in output(hub.lab, HUB, "nft", "list table inet leak")


def test_what_a_branch_may_not_announce_is_refused_and_recorded(hub: RunningHub) -> None:
    config = hub.lab.place.bird_config("bandung")
    reread = ("birdc", "-s", str(hub.lab.place.bird_socket("bandung")), "configure")
    honest = config.read_text()
    lan = "protocol static lan {\n    ipv4;\n"
    refused = {"10.2.0.0/24", "0.0.0.0/0"}
    try:
        config.write_text(
            honest.replace(lan, lan + "".join(f"    route {prefix} unreachable;\n" for prefix in refused))
        )
        assert succeeds(hub.lab, "bandung", *reread)
        hub.wait_for(lambda report: refused <= {r["prefix"] for r in report["refused"]}, "both refused")
    finally:
        config.write_text(honest)
        assert succeeds(hub.lab, "bandung", *reread)
    assert "10.2.0.0/24 dev wg51000" not in output(hub.lab, HUB, "ip", "route", "show", "proto", "112")


def test_killed_all_at_once_the_hub_goes_on_forwarding(hub: RunningHub) -> None:
    pids = [hub.supervisor(), *(hub.pid(name) for name in ("forwarder", "exabgp-1", "controller")), hub.relay()]
    with hub.probing() as probe:
        for pid in pids:
            kill(pid)
        probe.mark("dead")
        assert succeeds(hub.lab, "hq", "ping", "-q", "-c", "10", "-i", "0.3", "-W", "1", "10.1.0.2")
        probe.mark("later")
        seen = probe.report("dead", "later")
    assert lost(seen) == 0
    hub.start_again()
    hub.wait_until_well()
