"""The hub's ends of IPsec tunnels, against a charon that is a branch's router."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ipsec_certificates import branch_with_certificate, certificates, with_certificates
from ipsec_network import (
    CONNECTION,
    OTHER_CONNECTION,
    SECRET,
    Network,
    Ping,
    branch_connection,
    branch_secret,
    tunnel,
    why_not,
)
from made_network import run, wait_for

from hub.lab.strongswan import kernel_has_esp

pytestmark = pytest.mark.integration
FIBER, WIRELESS = tunnel("fiber"), tunnel("wireless")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as built:
        yield built


@pytest.mark.parametrize("inner", ["vxlan", "gre", "xfrm"])
def test_two_tunnels_come_up_are_reported_and_leave_nothing_behind(tmp_path: Path, inner: str) -> None:
    if reason := why_not(inner):
        pytest.skip(reason)
    both = tunnel("fiber", inner), tunnel("wireless", inner)
    with Network(tmp_path) as network:
        before = network.belongings()
        network.begin(*both)
        assert network.ask("plan", *both) == {"changes": [], "refusals": []}
        assert network.ask("verify", *both) == []
        told = network.ask("report", *both)["bandung/fiber"]["ipsec"]
        assert told["state"] == "established"
        assert told["remote"] == "10.9.1.2:4500"
        assert told["ike"] == "AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256"
        assert told["child"]["esp"].startswith("AES_GCM_16-256")
        assert told["child"]["encapsulated"] is True
        assert told["child"]["rekey_at"] > told["since"]
        assert "failure" not in told
        each = 3 if inner == "xfrm" else 5 + kernel_has_esp()
        assert len(network.apply()) == 2 * each
        assert network.sas() == {}
        assert "pointsman" not in network.hub_charon.swanctl("--list-conns")
        assert network.belongings() == before


def test_what_is_up_stays_up_while_another_tunnel_comes_changes_and_goes(network: Network) -> None:
    network.begin(FIBER)
    number = network.sas()[CONNECTION]
    ping = Ping(network, FIBER)
    network.apply(FIBER, WIRELESS)
    network.apply(FIBER, tunnel("wireless", esp=("aes256-sha256-ecp256",), mtu=1200))
    network.restart_provisioner()
    assert {target for target, _ in network.apply(FIBER)} == {"bandung/wireless"}
    assert network.sas()[CONNECTION] == number
    assert ping.lost() == 0


def test_rekeying_of_both_sas_loses_nothing(network: Network) -> None:
    network.begin(FIBER)
    number = network.sas()[CONNECTION]
    ping = Ping(network, FIBER)
    network.hub_charon.swanctl("--rekey", "--child", CONNECTION)
    wait_for(lambda: "{2}" in network.hub_charon.log(), "another child SA")
    network.hub_charon.swanctl("--rekey", "--ike", CONNECTION)
    wait_for(lambda: network.sas().get(CONNECTION, number) != number, "another IKE SA")
    network.branch_charon.swanctl("--rekey", "--child", "up1")
    wait_for(lambda: "{3}" in network.hub_charon.log(), "a third child SA")
    assert ping.lost() == 0
    assert network.ask("plan", FIBER)["changes"] == []


def test_another_proposal_makes_that_tunnels_sa_anew_and_no_others(network: Network) -> None:
    network.begin(FIBER, WIRELESS)
    before = network.sas()
    ping = Ping(network, WIRELESS)
    changed = tunnel("fiber", esp=("aes256gcm16-ecp256", "aes256-sha256-ecp256"))
    (done,) = network.apply(changed, WIRELESS)
    assert "its SA is made anew" in done[1]
    wait_for(lambda: network.sas().get(CONNECTION, before[CONNECTION]) != before[CONNECTION], "another SA")
    network.wait_up(changed)
    assert network.sas()[OTHER_CONNECTION] == before[OTHER_CONNECTION]
    assert ping.lost() == 0


def test_how_long_keys_are_used_changes_under_the_sa(network: Network) -> None:
    network.begin(FIBER)
    before = network.sas()
    ping = Ping(network, FIBER)
    assert len(network.apply(tunnel("fiber", rekey_ike=7200, rekey_child=1800))) == 1
    assert network.sas() == before
    assert ping.lost() == 0


def test_a_peer_that_falls_silent_is_said_and_comes_back_by_itself(network: Network) -> None:
    quick = tunnel("fiber")
    network.begin(quick)
    network.in_hub("nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }")
    network.in_hub("nft", "add rule inet cut in iifname up1 drop")
    network.hub_charon.swanctl("--rekey", "--ike", CONNECTION, check=False)
    network.failure(quick, "no answer")
    network.in_hub("nft", "delete table inet cut")
    network.wait_up(quick)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_after_a_restart_of_charon_all_is_loaded_again_and_said(network: Network, how: str) -> None:
    network.begin(FIBER)
    getattr(network.hub_charon, how)()
    plan = network.ask("plan", FIBER)
    assert plan["changes"] == []
    assert "charon is not there" in plan["refusals"][0]["text"]
    assert "systemctl start strongswan" in plan["refusals"][0]["mend"]
    outcome = network.ask("apply", FIBER, WIRELESS)
    assert outcome["done"] == []
    assert "charon is not there" in outcome["refused"][0]["text"]
    assert "charon is not there" in network.ask("report", FIBER)["all"]["ipsec"]
    assert network.ask("verify", FIBER)[0]["repaired"] is False
    network.hub_charon.start()
    findings = network.ask("verify", FIBER)
    assert [finding["repaired"] for finding in findings] == [True, True]
    assert "charon had lost it" in findings[1]["text"]
    network.wait_up(FIBER)
    assert network.ask("verify", FIBER) == []


def test_after_its_restart_the_hub_calls_a_branch_whose_address_it_knows(network: Network) -> None:
    wanted = tunnel("fiber", remote="10.9.1.2")
    network.begin(wanted)
    network.hub_charon.kill()
    network.branch_charon.stop()
    network.hub_charon.start()
    network.branch_charon.start()
    network.load_branch([branch_connection(wanted, start="none")], [branch_secret(wanted)])
    network.ask("verify", wanted)
    network.wait_up(wanted)


def test_a_charon_that_hangs_is_said_and_changes_nothing(network: Network) -> None:
    network.begin(FIBER)
    assert network.hub_charon.process
    network.hub_charon.process.send_signal(signal.SIGSTOP)
    threads = Path(f"/proc/{network.hub_charon.process.pid}/task")
    wait_for(lambda: all("State:\tT" in each.read_text() for each in threads.glob("*/status")), "its threads to stop")
    try:
        assert "charon does not answer" in network.ask("plan", FIBER)["refusals"][0]["text"]
    finally:
        network.hub_charon.process.send_signal(signal.SIGCONT)
    assert network.ask("plan", FIBER) == {"changes": [], "refusals": []}


def test_a_branch_that_crashed_and_begins_again_replaces_its_sa(network: Network) -> None:
    network.begin(FIBER)
    before = network.sas()[CONNECTION]
    network.branch_charon.kill()
    network.branch_charon.start()
    network.load_branch([branch_connection(FIBER)], [branch_secret(FIBER)])
    wait_for(lambda: network.sas().get(CONNECTION, before) != before, "another SA")
    network.wait_up(FIBER)
    assert network.hub_charon.swanctl("--list-sas").count("ESTABLISHED") == 1


def test_what_others_have_in_charon_is_untouched(network: Network) -> None:
    foreign = "connections { office { remote_addrs = 10.9.1.99\n children { office { remote_ts = 10.88.0.0/16 } } } }"
    network.hub_charon.configure(f'{foreign}\nsecrets {{ ike-office {{ id = a\n secret = "whatever" }} }}\n')
    network.begin(FIBER)
    network.apply()
    said = network.hub_charon.swanctl("--list-conns")
    assert "office" in said
    assert "pointsman" not in said


def test_a_reload_of_swanctl_throws_ours_out_and_the_next_look_puts_them_back(network: Network) -> None:
    network.begin(FIBER)
    before = network.sas()
    ping = Ping(network, FIBER)
    network.hub_charon.configure("")
    assert [finding["repaired"] for finding in network.ask("verify", FIBER)] == [True, True]
    assert network.sas() == before
    assert ping.lost() == 0


def test_without_an_sa_nothing_leaves_in_clear(network: Network) -> None:
    network.in_hub("ip", "route", "add", "default", "via", "10.9.1.2")
    network.apply(FIBER)
    dumped = network.in_hub("ip", "route", "get", "10.254.0.1", check=False)
    assert "10.9.1.2" not in dumped
    network.in_hub("ip", "route", "del", "default")


def taken(network: Network) -> int:
    """How many packets the hub's interface of the tunnel has taken in."""
    return int(network.in_hub("cat", f"/sys/class/net/{FIBER.interface}/statistics/rx_packets"))


def forge(network: Network) -> None:
    """Somebody outside sends what looks like the branch's, and is not encrypted."""
    run("ip", "-n", network.branch, "route", "replace", "10.254.0.0/32", "via", "10.9.1.1", "src", "10.254.0.1")
    ping = ("ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "172.31.0.0")
    run("ip", "netns", "exec", network.branch, *ping, check=False)


def blocking(network: Network) -> str:
    """What the kernel says of policies that block."""
    return network.in_hub("ip", "xfrm", "policy", "list", "action", "block")


def test_without_an_sa_nothing_that_is_clear_is_taken_also_without_a_firewall(tmp_path: Path) -> None:
    network = Network(tmp_path)
    settings = network.hub_charon.directory / "strongswan.conf"
    settings.write_text(settings.read_text().replace("kernel-libipsec ", ""))
    with network:
        network.apply(FIBER)
        network.make_branch_ends(FIBER)
        forge(network)
        assert taken(network) == 0
        network.in_hub("ip", "xfrm", "policy", "deleteall", "action", "block")
        forge(network)
        assert taken(network) > 0, "what is forged would not have come in anyway"
        assert ["taken only encrypted" in each["text"] for each in network.ask("verify", FIBER)] == [True]
        assert "priority 4294967294" in blocking(network)
        network.hub_charon.stop()
        before = taken(network)
        forge(network)
        assert taken(network) == before
        network.hub_charon.start()
        network.ask("verify", FIBER)
        network.apply()
        assert blocking(network) == ""


def test_nothing_is_blocked_but_where_the_kernel_encrypts(network: Network) -> None:
    network.begin(FIBER)
    assert (blocking(network) == "") is not kernel_has_esp()


def test_a_secret_that_others_may_read_is_refused_and_the_tunnel_stays_up(network: Network) -> None:
    network.begin(FIBER)
    network.write_secret("bandung-fiber.psk", SECRET, mode=0o644)
    outcome = network.ask("apply", tunnel("fiber", mtu=1200))
    assert outcome["done"] == []
    assert "may be read by others" in outcome["refused"][0]["text"]
    assert network.pings(FIBER)


def test_an_interface_that_is_not_ours_is_refused_and_left(network: Network) -> None:
    network.in_hub("ip", "link", "add", "name", "pm-fiber", "type", "bridge")
    outcome = network.ask("apply", FIBER, WIRELESS)
    assert {target for target, _ in outcome["done"]} == {"bandung/wireless"}
    assert "not ours" in outcome["refused"][0]["text"]
    assert "bridge" in network.in_hub("ip", "-d", "link", "show", "pm-fiber")


def test_what_was_begun_and_interrupted_is_finished(network: Network) -> None:
    network.in_hub("ip", "link", "add", "name", "pointsman-new", "type", "bridge")
    network.in_hub("ip", "addr", "add", "10.254.0.0/32", "dev", "lo", "label", "lo:pointsman")
    network.begin(FIBER)
    assert "pointsman-new" not in network.in_hub("ip", "link")


def test_what_somebody_changed_by_hand_is_put_right_and_said(network: Network) -> None:
    network.begin(FIBER)
    network.in_hub("ip", "link", "set", "pm-fiber", "mtu", "1111")
    network.in_hub("ip", "addr", "del", "172.31.0.0/31", "dev", "pm-fiber")
    network.in_hub("ip", "route", "del", "unreachable", "10.254.0.1", "metric", "4294967294")
    findings = network.ask("verify", FIBER)
    assert [finding["repaired"] for finding in findings] == [True, True]
    assert network.ask("verify", FIBER) == []
    assert network.pings(FIBER)


def test_certificates_do_as_well_and_come_back_after_a_restart(network: Network, tmp_path: Path) -> None:
    certificates(tmp_path)
    wanted = with_certificates(network, tmp_path)
    network.apply(wanted)
    network.make_branch_ends(wanted)
    network.load_branch([branch_with_certificate(wanted)], [])
    network.wait_up(wanted)
    assert network.ask("plan", wanted)["changes"] == []
    network.hub_charon.stop()
    network.hub_charon.start()
    assert [finding["repaired"] for finding in network.ask("verify", wanted)] == [True, True]
    network.wait_up(wanted)
    assert "has private key" in network.hub_charon.swanctl("--list-certs")
    network.apply()
    assert "has private key" not in network.hub_charon.swanctl("--list-certs")


@pytest.mark.parametrize("inner", ["gre", "xfrm"])
def test_a_kernel_without_the_inner_interface_is_foreseen_and_nothing_is_done(network: Network, inner: str) -> None:
    before, wanted = network.belongings(), tunnel("fiber", inner)
    planned = network.ask("plan", wanted)
    if not why_not(inner):  # this kernel has it, and that is seen too
        assert planned["refusals"] == []
        return
    assert planned["changes"] == []
    assert [(each["target"], each["text"]) for each in planned["refusals"]] == [
        ("bandung/fiber", f"this kernel makes no {inner} interfaces")
    ]
    assert network.ask("apply", wanted)["done"] == []
    assert network.belongings() == before
