"""A lab of two branches, without Pointsman: what carries packets, what a cut and a degradation do to them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_world import answers, lab_of, output, succeeds, wait_until

from hub.lab import disturb
from hub.lab.disturbances import Direction, summary
from hub.lab.names import LabError
from hub.lab.network import HQ_HOST, HUB
from hub.lab.probe import Probe
from hub.lab.record import Lab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One lab for all tests of this file."""
    with lab_of("net", "bandung", "tegal") as built:
        yield built


@pytest.fixture(autouse=True)
def undisturbed(lab: Lab) -> Iterator[None]:
    """Every test begins and ends with nothing cut."""
    yield
    disturb.heal(lab)


def tunnel_answers(lab: Lab, number: int) -> bool:
    """Whether the hub's end of one of bandung's tunnels answers the branch."""
    tunnel = lab.network.branches[0].tunnels[number]
    return succeeds(lab, "bandung", "ping", "-q", "-c", "1", "-W", "1", tunnel.hub_link)


def test_the_unguarded_floor_carries_packets_while_no_bgp_and_no_bfd_is_there(lab: Lab) -> None:
    wait_until(lambda: "dev fiber" in output(lab, "bandung", "ip", "route", "show", "10.0.0.0/16"))
    assert answers(lab, "bandung")
    assert answers(lab, "tegal")


def test_bird_runs_in_every_branch(lab: Lab) -> None:
    shown = output(lab, "bandung", "birdc", "-s", str(lab.place.bird_socket("bandung")), "show", "protocols")
    assert "floor_unguarded" in shown
    assert re.search(r"hub1 +BGP", shown)


def test_each_tunnels_packets_go_by_its_own_isps(lab: Lab) -> None:
    disturb.cut(lab, "isp:indosat")
    assert tunnel_answers(lab, 0)
    assert not tunnel_answers(lab, 1)


def test_the_hub_would_leak_into_its_first_isp(lab: Lab) -> None:
    assert "dev eth0" in output(lab, HUB, "ip", "route", "get", "192.0.2.1")


def test_a_cut_is_silent_and_healing_ends_it(lab: Lab) -> None:
    assert tunnel_answers(lab, 0)
    disturb.cut(lab, "bandung/fiber")
    assert not tunnel_answers(lab, 0)
    assert "LOWER_UP" in output(lab, "bandung", "ip", "link", "show", "up-fiber")
    assert answers(lab, "tegal")
    assert disturb.heal(lab, "bandung/fiber")
    wait_until(lambda: tunnel_answers(lab, 0))


def test_healing_what_is_not_disturbed_says_so(lab: Lab) -> None:
    assert not disturb.heal(lab, "bandung/fiber")


@pytest.mark.parametrize(
    ("direction", "to_branch_lost", "to_hub_lost"),
    [(Direction.TO_BRANCH, True, False), (Direction.TO_HUB, False, True), (Direction.BOTH, True, True)],
)
def test_a_cut_of_one_direction_leaves_the_other(
    lab: Lab, direction: Direction, to_branch_lost: bool, to_hub_lost: bool
) -> None:
    probe = Probe()
    probe.start(lab, ["bandung"], 0.005)
    disturb.cut(lab, "bandung/fiber", direction)
    probe.mark("cut")
    wait_until(lambda: probe.report("cut")["bandung"].to_hub.sent > 20)
    probe.mark("end")
    seen = probe.report("cut", "end")["bandung"]
    probe.stop()
    assert (seen.to_branch.lost == seen.to_branch.sent) is to_branch_lost
    assert (seen.to_hub.lost == seen.to_hub.sent) is to_hub_lost


def test_a_probe_reports_an_outage_each_way_and_nothing_elsewhere(lab: Lab) -> None:
    probe = Probe()
    probe.start(lab, interval=0.005)
    wait_until(lambda: probe.report()["bandung"].to_hub.sent > 20)
    disturb.cut(lab, "bandung/fiber")
    disturb.heal(lab, "bandung/fiber")
    wait_until(lambda: tunnel_answers(lab, 0))
    reports = probe.stop()
    assert reports["bandung"].to_branch.outages[0].ended
    assert reports["bandung"].to_hub.outages[0].ended
    assert reports["tegal"].to_hub.sent > 20
    assert list(lab.place.directory.glob("probe-*")) == []


def test_a_probe_of_a_branch_that_is_not_there_names_those_that_are(lab: Lab) -> None:
    with pytest.raises(LabError, match="one of bandung, tegal"):
        Probe().start(lab, ["jakarta"])


def test_an_interrupted_probe_reports_what_it_has_seen(lab: Lab) -> None:
    program = str(Path(sys.executable).with_name("pointsman"))
    heeding = ["env", "--default-signal=INT"]  # a shell's job in the background ignores it
    command = [*heeding, program, "lab", "probe", "bandung", "--interval", "5ms", "--name", lab.place.name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    sent = "probe-*/bandung.to-hub.sent"
    try:
        wait_until(lambda: any(path.stat().st_size > 800 for path in lab.place.directory.glob(sent)))
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert re.search(r"^bandung +to hub +[1-9]", said, re.MULTILINE)


def test_a_port_in_use_is_said_in_one_line(lab: Lab) -> None:
    first = Probe()
    first.start(lab, ["bandung"], 0.01)
    try:
        with pytest.raises(LabError, match=r"did not start: .*Address already in use"):
            Probe().start(lab, ["bandung"], 0.01)
    finally:
        first.stop()


def test_loss_takes_some_packets_and_not_all(lab: Lab) -> None:
    disturb.disturb(lab, "bandung/fiber", loss=0.5)
    probe = Probe()
    probe.start(lab, ["bandung"], 0.005)
    wait_until(lambda: probe.report()["bandung"].to_hub.sent > 200)
    seen = probe.stop()["bandung"].to_hub
    assert 0.2 < seen.lost / seen.sent < 0.8


def test_delay_is_added_each_way_and_gone_when_healed(lab: Lab) -> None:
    disturb.disturb(lab, "bandung/fiber", loss=0, delay_ms=40)
    assert summary(disturb.present(lab.place)) == ["bandung/fiber: delay 40ms"]
    assert fastest_round_trip(lab) >= 80
    disturb.heal(lab, "bandung/fiber")
    assert "pmstage" not in output(lab, "isp-telkom", "ip", "link")


def fastest_round_trip(lab: Lab) -> float:
    """Milliseconds of the quickest of some pings through bandung's first tunnel."""
    tunnel = lab.network.branches[0].tunnels[0]
    text = output(lab, "bandung", "ping", "-q", "-c", "10", "-i", "0.05", "-W", "2", tunnel.hub_link)
    found = re.search(r"= ([\d.]+)/", text)
    assert found, text
    return float(found[1])


def test_a_shell_finds_the_labs_hub_in_its_environment(lab: Lab) -> None:
    program = str(Path(sys.executable).with_name("pointsman"))
    command = [program, "lab", "shell", "--name", lab.place.name, "hub", "--", "env"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    assert f"POINTSMAN_RUN_DIR={lab.place.run}\n" in said


def test_a_nodes_wireguard_sockets_are_its_own(lab: Lab) -> None:
    if lab.kernel_wireguard:
        pytest.skip("the kernel's WireGuard has no sockets")
    assert output(lab, "bandung", "ls", "/run/wireguard").split() == ["fiber.sock", "wireless.sock"]
    assert output(lab, HQ_HOST, "ls", "/run/wireguard") == ""
