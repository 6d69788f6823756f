"""The files and scripts that the lab writes."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import wgconfig
from lab_intent import BANDUNG, HUB_OF_BOTH, both_versions, intent, tunnel

from hub.branch_router.bird import bird_config
from hub.branch_router.end import BranchEnd
from hub.branch_router.frr import frr_config
from hub.branch_router.secrets import Secrets
from hub.lab import scripts
from hub.lab.branch_router import end_of, tunnel_text
from hub.lab.names import LabPlace
from hub.lab.network import Branch, Network
from hub.lab.picture import picture
from hub.lab.plan import plan
from hub.lab.wireguard import KeyPair, hub_config
from policies.model.intent import RouterKind, Session, SessionKind, Uplink

GOLDEN = Path(__file__).parents[1] / "golden" / "lab"
NETWORK = plan(intent())
PLACE = LabPlace("lab", Path("/run/pointsman-lab"))
KEYS = KeyPair("PRIVATEKEY=", "PUBLICKEY=")


NAMES = ["bandung", "tegal", "everything"]
"""Branches with BFD, without, and with all that there is: IPv6, iBGP, a password, GTSM, other branches."""


def the_branch(name: str) -> tuple[Network, Branch]:
    """A branch of the golden files, and its network."""
    if name == "everything":
        session = Session(SessionKind.IBGP, "bandung", ttl_security=True)
        branch = replace(both_versions(BANDUNG, 1), session=session)
        network = plan(replace(intent(branch), hub=HUB_OF_BOTH))
        return network, network.branches[0]
    found = NETWORK.branch(name)
    assert found is not None
    return NETWORK, found


def the_end(name: str) -> tuple[BranchEnd, Secrets]:
    """A branch of the golden files as its router sees it, and its password."""
    return end_of(*the_branch(name)), Secrets("s3cret")


@pytest.mark.parametrize("name", NAMES)
def test_bird_is_configured_as_the_golden_file_says(name: str) -> None:
    assert bird_config(*the_end(name)) == (GOLDEN / f"{name}.bird.conf").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_frr_is_configured_as_the_golden_file_says(name: str) -> None:
    assert frr_config(*the_end(name)) == (GOLDEN / f"{name}.frr.conf").read_text()


@pytest.mark.skipif(shutil.which("vtysh") is None, reason="FRR is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_frr_itself_accepts_the_golden_file(name: str) -> None:
    done = subprocess.run(["vtysh", "-C", "-f", GOLDEN / f"{name}.frr.conf"], capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_frr_is_told_of_bfd_by_itself_where_ttl_security_would_make_it_cross_several_hops() -> None:
    session = Session(ttl_security=True)
    (branch,) = plan(intent(replace(BANDUNG, session=session))).branches
    text = frr_config(end_of(NETWORK, branch))
    assert " peer 10.255.0.0 local-address 10.255.0.1 interface fiber\n  profile fiber\n exit\n" in text
    assert "neighbor 10.255.0.0 ttl-security hops 1\n" in text
    assert "neighbor 10.255.0.0 bfd" not in text


def test_frr_intervals_that_are_no_whole_milliseconds_are_rounded_up() -> None:
    branch = NETWORK.branches[0]
    odd = replace(branch, tunnels=(replace(branch.tunnels[0], interval_us=33_300),))
    assert "  transmit-interval 34\n  receive-interval 34\n" in frr_config(end_of(NETWORK, odd))


@pytest.mark.skipif(shutil.which("bird", path="/usr/sbin:/usr/bin") is None, reason="BIRD is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_bird_itself_accepts_the_golden_file(name: str) -> None:
    program = shutil.which("bird", path="/usr/sbin:/usr/bin") or "bird"
    done = subprocess.run([program, "-p", "-c", GOLDEN / f"{name}.bird.conf"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_topology_is_drawn_as_the_golden_file_says() -> None:
    assert picture(NETWORK) == (GOLDEN / "picture.txt").read_text()


def test_bird_intervals_that_are_no_whole_milliseconds_are_written_in_microseconds() -> None:
    branch = NETWORK.branches[0]
    odd = replace(branch, tunnels=(replace(branch.tunnels[0], interval_us=33_300),))
    assert "interval 33300 us; multiplier 3;" in bird_config(end_of(NETWORK, odd))


def _parsed(text: str) -> wgconfig.WGConfig:
    config = wgconfig.WGConfig()
    config.read_from_fileobj(io.StringIO(text))
    return config


def test_the_hub_takes_a_branchs_prefixes_and_all_its_link_addresses() -> None:
    branch = NETWORK.branches[0]
    peer = _parsed(hub_config(branch, branch.tunnels[0], KEYS, "FAR=")).get_peer("FAR=")
    assert peer["AllowedIPs"] == ["10.1.0.0/24", "10.255.0.1/32", "10.255.0.3/32"]
    assert "Endpoint" not in peer


def test_the_branch_connects_and_takes_everything() -> None:
    branch = NETWORK.branches[0]
    one = branch.tunnels[0]
    config = _parsed(tunnel_text(end_of(NETWORK, branch), one.name, KEYS, "HUB="))
    assert config.get_peer("HUB=") == {
        "PublicKey": "HUB=",
        "Endpoint": f"{one.endpoint}:{one.port}",
        "AllowedIPs": "0.0.0.0/0",
        "PersistentKeepalive": 15,
    }
    assert config.get_interface()["FwMark"] == one.branch_mark


def test_with_ipv6_both_ends_take_both_versions() -> None:
    network, branch = the_branch("everything")
    one = branch.tunnels[0]
    assert _parsed(hub_config(branch, one, KEYS, "FAR=")).get_peer("FAR=")["AllowedIPs"] == [
        "10.1.0.0/24", "2001:db8:1::/64", "10.255.0.1/32", "10.255.0.3/32", "fd00:255::1:1/128", "fd00:255::1:3/128",
    ]  # fmt: skip
    far = _parsed(tunnel_text(end_of(network, branch), one.name, KEYS, "HUB="))
    assert far.get_peer("HUB=")["AllowedIPs"] == ["0.0.0.0/0", "::/0"]


def test_a_private_key_is_not_shown() -> None:
    assert "PRIVATEKEY" not in repr(KEYS)


def test_every_machine_has_a_script() -> None:
    assert set(scripts.node_scripts(NETWORK, PLACE, kernel_wireguard=True)) == set(NETWORK.nodes())


def test_kernel_wireguard_needs_no_process() -> None:
    with_kernel = scripts.node_scripts(NETWORK, PLACE, kernel_wireguard=True)["hub"]
    without = scripts.node_scripts(NETWORK, PLACE, kernel_wireguard=False)["hub"]
    assert "ip link add name wg51000-bandung type wireguard" in with_kernel
    assert "wireguard-go" not in with_kernel
    assert "wireguard-go -f wg51000-bandung" in without


def test_outer_packets_are_pinned_to_their_uplink() -> None:
    script = scripts.node_scripts(NETWORK, PLACE, kernel_wireguard=True)["bandung"]
    for uplink in NETWORK.branches[0].uplinks:
        assert f"route add default via {uplink.gateway} table {uplink.mark}" in script
        assert f"rule add fwmark {uplink.mark} lookup {uplink.mark}" in script


def test_the_hub_has_a_default_route_to_its_first_isp_so_that_leaks_are_seen() -> None:
    script = scripts.node_scripts(NETWORK, PLACE, kernel_wireguard=True)["hub"]
    assert f"route add default via {NETWORK.hub.uplinks[0].gateway} metric 0" in script


def test_ipv6_is_on_where_it_is_used_and_nowhere_else() -> None:
    network, _ = the_branch("everything")
    written = scripts.node_scripts(network, PLACE, kernel_wireguard=True)
    on = {node for node, script in written.items() if "echo 0 >/proc/sys/net/ipv6" in script}
    assert on == {"hub", "hq", "bandung", "bandung-host"}
    assert "address add 2001:db8:1::2/64 dev lan nodad" in written["bandung-host"]
    assert "address add fd00:255::1:1/127 dev fiber nodad" in written["bandung"]
    without = scripts.node_scripts(NETWORK, PLACE, kernel_wireguard=True)
    assert not any("echo 0 >/proc/sys/net/ipv6" in script for script in without.values())


def test_a_branch_with_frr_starts_its_daemons_and_no_bird() -> None:
    (branch,) = plan(intent(replace(BANDUNG, router=RouterKind.FRR))).branches
    script = scripts.router_script(branch, PLACE)
    assert [name for name in scripts.FRR_DAEMONS if f"setsid --fork {name} " in script] == list(scripts.FRR_DAEMONS)
    assert "bird" not in script


def test_two_tunnels_over_one_uplink_share_its_address() -> None:
    uplink = Uplink("fiber", "telkom", "fiber", metered=False)
    branch = replace(BANDUNG, tunnels=(tunnel("bandung/one", 0, uplink), tunnel("bandung/two", 1, uplink)))
    (bandung,) = plan(intent(branch)).branches
    assert len(bandung.uplinks) == 1
    assert [one.uplink for one in bandung.tunnels] == ["fiber", "fiber"]
