"""The whole hub in a lab whose tunnels are the kernel's own WireGuard: failover, failback, drains, and netem.

What the lab does by itself where a kernel has less (wireguard-go, the delay stage in userspace) is not in use here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_world import output, wait_until
from running_hub import Report, RunningHub, lost, running_hub, ways

from hub.control.client import ask_controller
from hub.lab import disturb
from hub.lab.network import HUB, Isp
from hub.lab.probe import ProbeReport

CONFIGURATION = Path(__file__).with_name("configuration")
BRANCH, PREFERRED, OTHER = "bandung", "fiber", "wireless"
TARGET = f"{BRANCH}/{PREFERRED}"
INTERVAL = 0.02
DELAY = 150.0
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


def test_the_tunnels_are_the_kernels_own_at_both_ends(hub: RunningHub) -> None:
    for node in (HUB, BRANCH):
        kinds = re.findall(r"^\s+(wireguard|tun)\b", output(hub.lab, node, "ip", "-details", "link"), re.MULTILINE)
        assert kinds == ["wireguard", "wireguard"]


def test_a_cut_tunnel_is_left_in_both_directions_and_the_way_back_loses_nothing(hub: RunningHub) -> None:
    with hub.probing(BRANCH, interval=INTERVAL) as probe:
        disturb.cut(hub.lab, TARGET)
        hub.wait_until_on(BRANCH, OTHER)
        probe.mark("moved")
        disturb.heal(hub.lab)
        hub.wait_until_well()
        probe.mark("back")
        death, way_back = probe.report(None, "moved"), probe.report("moved", "back")
    assert all(way.outages and all(outage.ended for outage in way.outages) for way in ways(death))
    assert lost(way_back) == 0


def test_a_drain_loses_nothing(hub: RunningHub) -> None:
    socket = hub.lab.place.run / "control.sock"
    with hub.probing(BRANCH, interval=INTERVAL) as probe:
        (drain,) = ask_controller(socket, {"ask": "drain", "target": TARGET, "reason": "splice"}, timeout=60)[
            "overrides"
        ]
        hub.wait_until_on(BRANCH, OTHER)
        moved = {"ask": "drain", "number": drain["number"]}
        hub.wait_for(lambda _: bool(ask_controller(socket, moved, timeout=60)["moved"]), "the drain seen to have moved")
        ask_controller(socket, {"ask": "undrain", "target": TARGET}, timeout=60)
        hub.wait_until_well()
        probe.mark("well")
        seen: dict[str, ProbeReport] = dict(probe.report(None, "well"))
    assert lost(seen) == 0


@pytest.fixture
def delayed(hub: RunningHub) -> None:
    """The preferred tunnel is slow from now on, each way."""
    disturb.disturb(hub.lab, TARGET, loss=0, delay_ms=DELAY, jitter_ms=10)


@pytest.mark.usefixtures("delayed")
def test_a_delay_is_netems(hub: RunningHub) -> None:
    isp = isp_of_the_preferred(hub)
    assert output(hub.lab, isp.node, "tc", "qdisc", "show").count("netem") == 2
    assert "tun" not in output(hub.lab, isp.node, "ip", "-details", "link")


@pytest.mark.usefixtures("delayed")
def test_a_tunnel_that_netem_makes_slow_is_left_without_a_loss_and_used_again(hub: RunningHub) -> None:
    with hub.probing(BRANCH, interval=INTERVAL) as probe:
        hub.wait_until_on(BRANCH, OTHER)
        assert degraded_by(hub) == "rtt"
        disturb.heal(hub.lab)
        wait_until(lambda: "netem" not in output(hub.lab, isp_of_the_preferred(hub).node, "tc", "qdisc", "show"))
        hub.wait_for(is_on_preferred, "the tunnel well again and used")
        probe.mark("back")
        seen = probe.report(None, "back")
    assert lost(seen) == 0


def test_a_tunnel_that_loses_packets_is_left(hub: RunningHub) -> None:
    disturb.disturb(hub.lab, TARGET, loss=0.1)
    hub.wait_until_on(BRANCH, OTHER)
    assert degraded_by(hub) == "loss"


def is_on_preferred(report: Report) -> bool:
    return bool(report["branches"][0]["on"] == PREFERRED)


def degraded_by(hub: RunningHub) -> str:
    """The first word of the reason for which the preferred tunnel is degraded."""
    tunnel = next(found for found in hub.branch(BRANCH)["tunnels"] if found["tunnel"] == PREFERRED)
    assert tunnel["health"]["state"] == "degraded"
    return str(tunnel["health"]["reason"]).split()[0]


def isp_of_the_preferred(hub: RunningHub) -> Isp:
    return next(isp for isp in hub.lab.network.isps if isp.name == "telkom")
