"""A lab of both IP versions without Pointsman: one branch with BIRD, one with FRR; what their floors carry."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from lab_world import lab_without_hub, output, succeeds, wait_until
from mixed_branches import Site, write
from patient_policy import judged_patiently

from hub.config import read
from hub.lab.plan import plan
from hub.lab.probe import Probe
from hub.lab.record import Lab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

BRANCHES = {"bird": 1, "frr": 2}
HUB_PREFIX = {4: "10.0.0.0/16", 6: "2001:db8::/48"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for all tests of this file; no BFD guards a floor, and nobody opens the signed sessions."""
    sites = (Site("bird", "bird", bfd=False, secured=True), Site("frr", "frr", secured=True))
    configuration = judged_patiently(write(tmp_path_factory.mktemp("versions") / "config", *sites, both=True))
    intent = read(configuration).intent
    assert intent is not None
    with lab_without_hub("vers", plan(intent), configuration) as built:
        yield built


def floor(lab: Lab, branch: str, version: int) -> str:
    """The branch's route to headquarters in its kernel."""
    return output(lab, branch, "ip", f"-{version}", "route", "show", HUB_PREFIX[version])


def test_hosts_exchange_packets_of_both_versions(lab: Lab) -> None:
    probe = Probe()
    probe.start(lab, interval=0.01)
    wait_until(lambda: probe.report()["frr IPv6"].to_hub.sent > 20)
    seen = probe.stop()
    assert set(seen) == {"bird", "bird IPv6", "frr", "frr IPv6"}
    assert all(way.sent for pair in seen.values() for way in (pair.to_branch, pair.to_hub))
    assert sum(way.lost for pair in seen.values() for way in (pair.to_branch, pair.to_hub)) == 0


@pytest.mark.parametrize("address", ["10.2.0.2", "2001:db8:2::2"])
def test_a_host_of_one_branch_reaches_one_of_another_through_the_hub(lab: Lab, address: str) -> None:
    assert succeeds(lab, "bird-host", "ping", "-q", "-c", "1", "-W", "2", address)
    assert not succeeds(lab, "bird-host", "ping", "-q", "-c", "1", "-W", "1", address.replace("2", "9", 1))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("branch", BRANCHES)
def test_the_floor_goes_from_tunnel_to_tunnel_and_ends_in_unreachable(lab: Lab, branch: str, version: int) -> None:
    wait_until(lambda: "dev fiber" in floor(lab, branch, version))
    try:
        assert succeeds(lab, branch, "ip", "link", "set", "fiber", "down")
        wait_until(lambda: "dev wireless" in floor(lab, branch, version))
        assert succeeds(lab, branch, "ip", "link", "set", "wireless", "down")
        wait_until(lambda: "unreachable" in floor(lab, branch, version))
    finally:
        restore_tunnels(lab, branch)
    wait_until(lambda: "dev fiber" in floor(lab, branch, version))


def restore_tunnels(lab: Lab, branch: str) -> None:
    """Both interfaces up again, with the IPv6 addresses that the kernel took away when they went down."""
    found = lab.network.branch(branch)
    assert found is not None
    for tunnel in found.tunnels:
        assert succeeds(lab, branch, "ip", "link", "set", tunnel.branch_interface, "up")
        address = ("address", "replace", f"{tunnel.branch_link6}/127", "dev", tunnel.branch_interface, "nodad")
        assert succeeds(lab, branch, "ip", *address)


def test_where_frr_routes_its_shell_answers(lab: Lab) -> None:
    said = output(lab, "frr", "vtysh", "-c", "show bgp neighbors 10.255.0.8")
    assert "BGP state = " in said
    assert "10.255.0.8" in said


def test_a_passwords_file_is_made_for_both_ends_and_for_nobody_else(lab: Lab) -> None:
    file = lab.place.password_file("frr")
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert len(password) >= 32
    assert f"password {password}\n" in lab.place.frr_config("frr").read_text()
    assert f'password "{password}"' not in lab.place.bird_config("bird").read_text()
