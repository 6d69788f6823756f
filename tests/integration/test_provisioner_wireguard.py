"""The hub's ends of WireGuard tunnels on a real machine: made, left alone, changed, finished, exchanged, removed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from branch_keys import made_its_own
from made_network import wait_for
from wireguard_namespaces import NETWORK, Site

from hub.provisioner.keys.store import KeyStore

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


@pytest.fixture
def connected(site: Site) -> Site:
    """Both tunnels, up at both ends."""
    assert site.apply(site.wanted())["failed"] == []
    for number in (1, 2):
        site.connect(number)
        wait_for(lambda number=number: site.answers(number), f"tunnel {number}")
    return site


def test_tunnels_are_made_from_nothing_and_carry_packets(site: Site) -> None:
    outcome = site.apply(site.wanted())
    assert outcome == {
        "done": [
            text
            for number in (1, 2)
            for text in (
                "make its keys",
                f"make {site.hub_interface(number)} (port {51000 + number}, by uplink telkom)",
            )
        ],
        "failed": [],
        "refused": [],
    }
    for number in (1, 2):
        site.connect(number)
        wait_for(lambda number=number: site.answers(number), f"tunnel {number}")
    (link,) = [each for each in site.links(site.hub) if each["ifname"] == site.hub_interface(1)]
    assert (link["ifalias"], link["mtu"]) == (f"pointsman {NETWORK} bandung/t1", 1420)
    assert "0x7001" in site.in_hub("wg", "show", site.hub_interface(1), "fwmark")


def test_a_tunnel_that_was_ipsec_gets_its_interface_where_that_one_was(site: Site) -> None:
    name = site.hub_interface(1)
    site.in_hub("ip", "link", "add", name, "type", "vxlan", "id", "1", "dstport", "4789")
    site.in_hub("ip", "link", "set", name, "alias", f"pointsman {NETWORK} bandung/t1")
    outcome = site.apply(site.wanted())
    assert (outcome["failed"], outcome["refused"]) == ([], [])
    assert f"make {name} anew (port 51001, by uplink telkom; it was vxlan)" in outcome["done"]
    site.connect(1)
    wait_for(lambda: site.answers(1), "tunnel 1")


def test_where_nothing_makes_wireguard_that_is_said_and_no_key_is_made(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = ["unshare", "-n", "ip", "link", "add", "name", "trial", "type", "wireguard"]
    if subprocess.run(trial, capture_output=True, check=False).returncode == 0:
        pytest.skip("this kernel has WireGuard")
    (tmp_path / "bin").mkdir()
    for program in ("ip", "wg", "setsid"):
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    outcome = site.apply(site.wanted())
    assert (outcome["done"], outcome["failed"]) == ([], [])
    text, mend = "this kernel has no WireGuard, and wireguard-go is not here", "install wireguard-go"
    assert [each[:2] for each in outcome["refused"]] == [[f"bandung/t{number}", text] for number in (1, 2)]
    assert mend in outcome["refused"][0][2]
    assert not (site.state / "keys").exists()


def test_applied_again_nothing_is_done(connected: Site) -> None:
    assert connected.apply(connected.wanted()) == {"done": [], "failed": [], "refused": []}


def test_it_outlives_whoever_made_it_and_answers_nobody_else(connected: Site) -> None:
    (daemon,) = connected.daemons(connected.hub_interface(1))
    assert os.getsid(daemon) != os.getsid(0)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"allowed": ["10.1.0.0/24", "10.9.0.0/16", "10.255.0.1/32", "fd00:ff::1/128"]}, "AllowedIPs: + 10.9.0.0/16"),
    ({"mtu": 1400}, "MTU 1420 -> 1400"),
    ({"addresses": ["10.255.0.0/31", "fd00:ff::/127", "10.77.0.1/32"]}, "address + 10.77.0.1/32"),
]


@pytest.mark.parametrize(("change", "text"), CHANGES, ids=[each[1] for each in CHANGES])
def test_a_change_of_a_tunnel_loses_nothing_on_it_or_on_another(
    connected: Site, change: dict[str, Any], text: str
) -> None:
    with connected.pinging(1) as own, connected.pinging(2) as other:
        outcome = connected.apply(connected.wanted(**change))
        lost = own.stop(), other.stop()
    assert outcome["done"] == [f"{connected.hub_interface(1)}: {text}"]
    assert lost == (0, 0)
    assert connected.apply(connected.wanted(**change))["done"] == []


def test_another_port_or_mark_disturbs_no_other_tunnel(connected: Site) -> None:
    with connected.pinging(2) as other:
        outcome = connected.apply(connected.wanted(port=51999, mark=0x7002))
        lost = other.stop()
    assert outcome["done"] == [
        f"{connected.hub_interface(1)}: port 51001 -> 51999; mark 28673 -> 28674 (uplink telkom)"
    ]
    assert lost == 0


def test_an_address_that_is_wanted_no_more_goes_after_the_new_one_came(connected: Site) -> None:
    outcome = connected.apply(connected.wanted(addresses=["10.255.0.8/31", "fd00:ff::/127"]))
    assert outcome["failed"] == []
    shown = connected.in_hub("ip", "-o", "address", "show", "dev", connected.hub_interface(1))
    assert "10.255.0.8/31" in shown
    assert "10.255.0.0/31" not in shown


def test_what_is_not_ours_is_refused_and_left_as_it_is(site: Site) -> None:
    name = site.hub_interface(1)
    site.run("ip", "-n", site.hub, "link", "add", name, "type", "bridge")
    before = site.run("ip", "-n", site.hub, "-d", "link", "show", name)
    outcome = site.apply(site.wanted())
    assert [each[:2] for each in outcome["refused"]] == [
        ["bandung/t1", f"{name} is there already, and was not made by Pointsman"]
    ]
    assert site.run("ip", "-n", site.hub, "-d", "link", "show", name) == before
    assert site.hub_interface(2) in site.interfaces(site.hub)
    site.apply({"network": NETWORK, "wireguard": []})
    assert name in site.interfaces(site.hub)


def test_a_port_that_another_program_has_is_named_with_it(site: Site) -> None:
    bind = "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 51001))"
    script = f"import socket, time; {bind}; print(flush=True); time.sleep(99)"
    command = ["ip", "netns", "exec", site.hub, sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ((target, text, mend),) = site.apply(site.wanted())["refused"]
        other.kill()
    assert target == "bandung/t1"
    assert re.fullmatch(rf"UDP port 51001 is in use by python[\d.]* \(process {other.pid}\)", text)
    assert "ss -lunp" in mend
    assert site.apply(site.wanted())["refused"] == []


def test_an_address_that_another_interface_has_is_refused(site: Site) -> None:
    site.run("ip", "-n", site.hub, "address", "add", "10.255.0.0/24", "dev", "wan")
    ((target, text, _mend),) = site.apply(site.wanted())["refused"]
    assert (target, text) == ("bandung/t1", "10.255.0.0 is an address of wan")


@pytest.mark.parametrize("stop", ["alias", "configure", "public_key", "set_link"])
def test_what_was_interrupted_half_way_is_finished_by_the_next_run(site: Site, stop: str) -> None:
    assert site.apply(site.wanted(1), stop=stop) is None
    outcome = site.apply(site.wanted(1))
    assert (outcome["failed"], outcome["refused"]) == ([], [])
    assert outcome["done"]
    assert site.apply(site.wanted(1))["done"] == []
    site.connect(1)
    wait_for(lambda: site.answers(1), "the tunnel")


def test_what_is_wanted_no_more_is_removed_whole_and_the_rest_stays(connected: Site) -> None:
    name = connected.hub_interface(1)
    with connected.pinging(2) as other:
        assert connected.apply(connected.wanted(2))["done"] == [f"remove {name}"]
        lost = other.stop()
    assert lost == 0
    assert name not in connected.interfaces(connected.hub)
    wait_for(lambda: not connected.daemons(name), "the end of wireguard-go")
    assert not Path(f"/var/run/wireguard/{name}.sock").exists()
    assert not list((connected.state / "wireguard").glob(f"{name}*"))
    assert connected.apply(connected.wanted(2))["done"] == []


def test_one_that_vanished_is_made_again_by_verification(connected: Site) -> None:
    assert connected.ask("verify", connected.wanted()) == []
    (daemon,) = connected.daemons(connected.hub_interface(1))
    os.kill(daemon, signal.SIGKILL)
    wait_for(lambda: connected.hub_interface(1) not in connected.interfaces(connected.hub), "its end")
    name = connected.hub_interface(1)
    assert connected.ask("verify", connected.wanted()) == [["bandung/t1", f"{name} was gone: made again", True]]
    wait_for(lambda: connected.answers(1), "the tunnel")


def test_what_somebody_changed_is_told_and_not_undone(connected: Site) -> None:
    name = connected.hub_interface(1)
    connected.in_hub("wg", "set", name, "fwmark", "5")
    ((target, text, repaired),) = connected.ask("verify", connected.wanted())
    assert (target, repaired) == ("bandung/t1", False)
    assert text == f"not as it should be: {name}: mark 5 -> 28673 (uplink telkom)"
    assert "0x5" in connected.in_hub("wg", "show", name, "fwmark")


def test_a_preshared_key_is_of_both_ends(site: Site) -> None:
    site.apply(site.wanted(1, preshared=True))
    site.connect(1, preshared=False)
    site.connect(1, preshared=True)
    wait_for(lambda: site.answers(1), "the tunnel")
    assert site.apply(site.wanted(1, preshared=True))["done"] == []


def test_the_report_has_the_facts_of_each_tunnel(connected: Site) -> None:
    existing = [{"tunnel": "bandung/old", "interface": "wan"}, {"tunnel": "bandung/none", "interface": "gre7"}]
    report = connected.ask("report", {**connected.wanted(), "existing": existing})
    facts = report["bandung/t1"]
    keys = connected.keys(1)
    assert (facts["interface"], facts["present"], facts["up"], facts["port"]) == (
        connected.hub_interface(1),
        True,
        True,
        51001,
    )
    assert (facts["public_key"], facts["peer"]) == (keys.hub_public, keys.branch_public)
    assert facts["made_by"] in {"wireguard-go", "kernel"}
    assert facts["endpoint"].startswith("198.51.100.2:")
    assert facts["handshake_age"] < 60
    assert facts["received"] > 0
    assert facts["key_age"] < 60
    assert report["bandung/old"] == {
        "existing": True,
        "interface": "wan",
        "present": True,
        "up": True,
        "mtu": 1500,
        "addresses": ["198.51.100.1/24"],
        "made_by": "veth",
    }
    assert report["bandung/none"] == {"existing": True, "interface": "gre7", "present": False}


TUNNEL = {"tunnel": "bandung/t1"}


class TestExchangingKeys:
    def test_the_branch_gets_its_new_keys_and_shakes_hands(self, connected: Site) -> None:
        old = connected.keys(1)
        with connected.pinging(2) as other:
            begun = connected.ask("rotate-begin", TUNNEL)
            assert (begun["switched"], begun["verified"]) == (True, False)
            assert "has not shaken hands" in connected.ask("rotate-commit", TUNNEL)["error"]
            new = KeyStore(connected.state / "keys").staged("bandung/t1")
            assert new is not None
            assert (new.hub_public, new.branch_public) == (begun["hub_public"], begun["branch_public"])
            connected.connect(1, new)
            wait_for(lambda: connected.ask("rotate-status", TUNNEL)["verified"], "a handshake")
            assert connected.ask("rotate-commit", TUNNEL) == {"tunnel": "bandung/t1", "committed": True}
            lost = other.stop()
        assert lost == 0
        assert connected.keys(1) == new != old
        assert connected.answers(1)
        assert connected.apply(connected.wanted()) == {"done": [], "failed": [], "refused": []}

    def test_the_old_ones_come_back_where_the_branch_never_gets_the_new_ones(self, connected: Site) -> None:
        old = connected.keys(1)
        connected.ask("rotate-begin", TUNNEL)
        assert connected.ask("rotate-rollback", TUNNEL) == {"tunnel": "bandung/t1", "was": True}
        assert connected.keys(1) == old
        wait_for(lambda: connected.answers(1), "the tunnel")
        assert connected.apply(connected.wanted())["done"] == []
        assert connected.ask("rotate-rollback", TUNNEL)["was"] is False

    def test_an_apply_meanwhile_leaves_the_new_ones_alone(self, connected: Site) -> None:
        begun = connected.ask("rotate-begin", TUNNEL)
        assert connected.apply(connected.wanted())["done"] == []
        ((_target, text, _repaired),) = connected.ask("verify", connected.wanted())
        assert text == "new keys stand beside those in force: exchanging them was begun and not ended"
        again = connected.ask("rotate-begin", TUNNEL)
        assert again["hub_public"] == begun["hub_public"]

    def test_a_branch_that_made_its_own_key_is_verified_by_a_new_handshake(self, connected: Site) -> None:
        own = connected.keys(1)
        made_its_own(KeyStore(connected.state / "keys"), "bandung/t1", own.branch_public)
        begun = connected.ask("rotate-begin", TUNNEL)
        assert (begun["branch_made_its_own"], begun["branch_public"]) == (True, own.branch_public)
        assert connected.ask("rotate-status", TUNNEL)["verified"] is False
        name = f"{connected.name}b1"
        connected.in_branch("wg", "set", name, "peer", own.hub_public, "remove")
        peer = ["peer", begun["hub_public"], "endpoint", "198.51.100.1:51001", "persistent-keepalive", "1"]
        connected.in_branch("wg", "set", name, *peer, "allowed-ips", "0.0.0.0/0,::/0")
        wait_for(lambda: connected.ask("rotate-status", TUNNEL)["verified"], "a handshake")

    def test_a_branch_that_was_dead_comes_back_with_its_new_keys(self, site: Site) -> None:
        site.apply(site.wanted())
        old = site.keys(1)
        site.ask("rotate-begin", TUNNEL)
        assert "has not shaken hands" in site.ask("rotate-commit", TUNNEL)["error"]
        assert site.ask("rotate-commit", {**TUNNEL, "unverified": True})["committed"]
        assert site.keys(1) != old
        assert site.apply(site.wanted())["done"] == []
        site.connect(1)
        wait_for(lambda: site.answers(1), "the tunnel")

    def test_a_tunnel_that_is_not_there_is_not_begun(self, site: Site) -> None:
        assert site.ask("rotate-begin", TUNNEL)["error"] == "bandung/t1 has no interface of ours"
        assert not (site.state / "keys").exists()


def test_no_private_key_is_in_anything_that_is_said(connected: Site) -> None:
    connected.ask("rotate-begin", {"tunnel": "bandung/t1"})
    connected.ask("report", connected.wanted())
    connected.ask("verify", connected.wanted())
    secrets = [path.read_text().strip() for path in (connected.state / "keys").rglob("*.key")]
    assert len(secrets) == 6
    assert not [text for text in connected.said for secret in secrets if secret in text]
