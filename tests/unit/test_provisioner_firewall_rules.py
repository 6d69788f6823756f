"""The text of the hub's firewall: golden files, that nft accepts them, and that nothing but rules gets into them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from firewall_wanted import EVERY, FIBER, LTE, SOLO, WANTED
from small_network import a_branch, a_network

from hub.provisioner.changes import ProvisionError
from hub.provisioner.fingerprint import script
from hub.provisioner.firewall.plan import rules_of
from hub.provisioner.firewall.rules import TABLE, body, render
from hub.provisioner.from_intent import wanted_of
from hub.provisioner.wanted import Wanted
from policies.model.intent import Branch, Security

GOLDEN = Path(__file__).parents[1] / "golden" / "firewall"


@pytest.mark.parametrize("name", EVERY)
def test_a_hub_is_filtered_as_its_golden_file_says(name: str) -> None:
    assert render(rules_of(EVERY[name])) == (GOLDEN / f"{name}.nft").read_text()


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
@pytest.mark.parametrize("name", EVERY)
def test_nft_understands_what_every_golden_file_shows(name: str) -> None:
    text = script(TABLE, body(rules_of(EVERY[name])))
    done = subprocess.run(
        ["unshare", "--net", "nft", "--check", "--file", "-"], input=text, capture_output=True, text=True
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("needs root")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_order_of_what_is_wanted_changes_nothing() -> None:
    assert render(rules_of(replace(WANTED, wireguard=(LTE, FIBER)))) == render(rules_of(WANTED))


def test_prefixes_that_lie_in_one_another_are_written_once() -> None:
    nested = replace(FIBER, allowed=("10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/24", "10.2.1.0/24"))
    sources = [prefix for _, prefix in rules_of(replace(WANTED, wireguard=(nested,))).sources]
    assert sources == ["10.1.0.0/16", "10.2.0.0/23"]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (replace(WANTED, wireguard=(replace(FIBER, interface='x" drop'),)), "is not a network interface"),
        (replace(WANTED, wireguard=(replace(FIBER, interface="wg*"),)), "is not a network interface"),
        (replace(WANTED, wireguard=(replace(FIBER, allowed=("10.0.0.0/8 }",)),)), "10.0.0.0/8 }"),
        (replace(WANTED, wireguard=(replace(FIBER, known_from=("any",)),)), "any"),
        (replace(WANTED, wireguard=(replace(FIBER, port=0),)), "0 is no port"),
        (replace(WANTED, network="x\nflush ruleset"), "is not a name of a network"),
        (replace(WANTED, management=("everywhere",)), "everywhere"),
        (replace(WANTED, ipsec=(replace(SOLO, loopback="lo"),)), "lo"),
    ],
)
def test_what_is_not_what_it_should_be_never_becomes_a_rule(wanted: Wanted, text: str) -> None:
    with pytest.raises(ProvisionError, match="the firewall cannot be made") as caught:
        rules_of(wanted)
    assert text in str(caught.value)


ADDRESS = IPv4Address("192.0.2.7")


def known(branch: Branch) -> list[tuple[str, ...]]:
    return [tunnel.known_from for tunnel in wanted_of(a_network(branch)).wireguard]


def with_uplink(branch: Branch, **changed: object) -> Branch:
    first, *others = branch.tunnels
    uplink = replace(first.uplink, **changed)  # type: ignore[arg-type]
    return replace(branch, tunnels=(replace(first, uplink=uplink), *others))


def test_a_tunnel_is_held_to_the_address_of_its_branchs_uplink() -> None:
    assert known(with_uplink(a_branch(), address=ADDRESS)) == [("192.0.2.7",), ()]


def test_behind_somebody_elses_router_no_address_is_known() -> None:
    assert known(with_uplink(a_branch(), address=ADDRESS, behind_nat=True)) == [(), ()]


def test_the_only_tunnel_of_a_branch_may_come_by_another_isp() -> None:
    assert known(with_uplink(a_branch(tunnels=("fiber",)), address=ADDRESS)) == [()]


def test_the_firewall_is_wanted_where_the_configuration_says_so() -> None:
    intent = a_network(a_branch())
    assert not wanted_of(intent).firewall
    assert wanted_of(replace(intent, security=Security(firewall=True))).firewall
