"""The whole hub in a lab whose tunnels are the kernel's own: failover, failback, drains, and what netem spoils.

bandung leaves WireGuard for GRE over IPsec, tegal an XFRM interface for WireGuard. What the lab does by itself where a
kernel has less (wireguard-go, ESP in charon, the delay stage in userspace) is not in use here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_world import output, wait_until
from running_hub import Report, RunningHub, lost, running_hub, ways

from hub.control.client import ask_controller
from hub.lab import disturb
from hub.lab.network import HUB

CONFIGURATION = Path(__file__).with_name("configuration")
BRANCHES = ("bandung", "tegal")
PREFERRED, OTHER = "fiber", "wireless"
KINDS = {
    HUB: {"wireguard": 2, "gre": 1, "xfrm": 1},
    "bandung": {"wireguard": 1, "gre": 1},
    "tegal": {"wireguard": 1, "xfrm": 1},
}
ISP, ISP_NODE = "isp:telkom", "isp-telkom"
INTERVAL = 0.02
SETTLE = 5.0
"""Seconds until a packet is lost: where the machine is emulated one waits for a processor, and arrives."""
DELAY, LOSS = 700.0, 0.3
"""Milliseconds each way, and a share of the packets: what an emulated machine does not do by itself."""
PATIENCE = 180.0


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    with running_hub("kernel", CONFIGURATION, timers=None, patience=PATIENCE) as built:
        yield built


@pytest.fixture(autouse=True)
def well(hub: RunningHub) -> Iterator[None]:
    """Every test begins with all well, and ends with nothing disturbed."""
    hub.wait_until_well()
    yield
    disturb.heal(hub.lab)


@pytest.mark.parametrize("node", KINDS)
def test_the_tunnels_are_the_kernels_own(hub: RunningHub, node: str) -> None:
    links = json.loads(output(hub.lab, node, "ip", "-json", "-details", "link", "show", "up"))
    kinds = Counter(link.get("linkinfo", {}).get("info_kind") for link in links)
    assert {kind: kinds[kind] for kind in KINDS[node]} == KINDS[node]
    assert kinds["tun"] == 0


def test_a_dead_isp_is_left_in_both_directions_and_the_way_back_loses_nothing(hub: RunningHub) -> None:
    with hub.probing(*BRANCHES, interval=INTERVAL, settle=SETTLE) as probe:
        disturb.cut(hub.lab, ISP)
        for branch in BRANCHES:
            hub.wait_until_on(branch, OTHER)
        probe.mark("moved")
        disturb.heal(hub.lab)
        hub.wait_until_well()
        probe.mark("back")
        death, way_back = probe.report(None, "moved"), probe.report("moved", "back")
    assert all(way.outages and all(outage.ended for outage in way.outages) for way in ways(death))
    assert lost(way_back) == 0


def test_a_drain_loses_nothing(hub: RunningHub) -> None:
    socket = hub.lab.place.run / "control.sock"
    with hub.probing(*BRANCHES, interval=INTERVAL, settle=SETTLE) as probe:
        ask_controller(socket, {"ask": "drain", "target": ISP, "reason": "splice", "rate": "60/min"}, timeout=60)
        for branch in BRANCHES:
            hub.wait_until_on(branch, OTHER)
        ask_controller(socket, {"ask": "undrain", "target": ISP}, timeout=60)
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0


@pytest.fixture
def delayed(hub: RunningHub) -> None:
    """The preferred tunnels are slow from now on, each way."""
    disturb.disturb(hub.lab, ISP, loss=0, delay_ms=DELAY, jitter_ms=10)


@pytest.mark.usefixtures("delayed")
def test_a_tunnel_that_netem_makes_slow_is_left_without_a_loss_and_used_again(hub: RunningHub) -> None:
    assert output(hub.lab, ISP_NODE, "tc", "qdisc", "show").count("netem") == 2
    with hub.probing(*BRANCHES, interval=INTERVAL, settle=SETTLE) as probe:
        for branch in BRANCHES:
            hub.wait_until_on(branch, OTHER)
            wait_until_degraded(hub, branch, "rtt")
        disturb.heal(hub.lab)
        wait_until(lambda: "netem" not in output(hub.lab, ISP_NODE, "tc", "qdisc", "show"), PATIENCE)
        hub.wait_until_well()
        probe.mark("back")
        seen = probe.report(None, "back")
    assert lost(seen) == 0


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_tunnel_that_loses_packets_is_left_and_the_other_branch_stays(hub: RunningHub, branch: str) -> None:
    disturb.disturb(hub.lab, f"{branch}/{PREFERRED}", loss=LOSS)
    hub.wait_until_on(branch, OTHER)
    wait_until_degraded(hub, branch, "loss")
    (stays,) = set(BRANCHES) - {branch}
    assert hub.branch(stays)["on"] == PREFERRED


def wait_until_degraded(hub: RunningHub, branch: str, by: str) -> None:
    """Until the preferred tunnel is degraded by this figure; a sudden delay may be taken for a death before that."""

    def is_it(report: Report) -> bool:
        found = next(each for each in report["branches"] if each["branch"] == branch)
        health = next(each["health"] for each in found["tunnels"] if each["tunnel"] == PREFERRED)
        return bool(health["state"] == "degraded" and re.split(r"\W", str(health["reason"]))[0] == by)

    hub.wait_for(is_it, f"{branch}/{PREFERRED} degraded by {by}")
