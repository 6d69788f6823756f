"""What is being left is remembered over a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from small_network import a_branch, a_network

from hub.config.leaving import forget_leaving, remember_leaving, resumed
from hub.provisioner.from_intent import wanted_of
from policies.model.intent import Link
from policies.model.transport import Certificate, Existing, Inner, Ipsec, Loopbacks, PresharedKey, Transport, WireGuard
from policies.transition import Transition, transition

BRANCH = a_branch()
FIBER, WIRELESS = BRANCH.tunnels
DUAL = replace(
    FIBER, link=Link(FIBER.link.hub, FIBER.link.branch, IPv6Address("fd00::"), IPv6Address("fd00::1")), process=2
)
BEFORE = a_network(replace(BRANCH, tunnels=(DUAL, WIRELESS)))
AFTER = a_network(replace(BRANCH, tunnels=(WIRELESS,)))


def test_a_change_goes_on_where_it_was(tmp_path: Path) -> None:
    change = transition(BEFORE, AFTER)
    remember_leaving(tmp_path, change)
    assert resumed(tmp_path, AFTER) == change
    assert change.leaving


MADE_AS: list[Transport] = [
    WireGuard(timedelta(seconds=25), preshared=True),
    Existing(),
    Ipsec(PresharedKey("bandung.psk"), "hub", "bandung", loopbacks=Loopbacks(IPv4Address(1), IPv4Address(2))),
    Ipsec(Certificate("a.pem", "a.key", "ca.pem"), "hub", "b", Inner.XFRM, None, ("x",), ("y", "z"), 2),
]


@pytest.mark.parametrize("transport", MADE_AS)
def test_a_restarted_controller_wants_a_tunnel_that_is_left_made_as_it_was(
    tmp_path: Path, transport: Transport
) -> None:
    fiber = replace(
        FIBER,
        transport=transport,
        mtu=1390,
        uplink=replace(FIBER.uplink, address=IPv4Address("203.0.113.7"), gateway="dhcp", behind_nat=True),
        hub_uplink=replace(FIBER.hub_uplink, gateway="dhcp", address=IPv4Address("198.51.100.2"), mark=0x7001),
    )
    before = a_network(replace(BRANCH, tunnels=(fiber, WIRELESS)))
    remember_leaving(tmp_path, transition(before, AFTER))
    assert wanted_of(resumed(tmp_path, AFTER).interim) == wanted_of(transition(before, AFTER).interim)


def test_what_is_done_is_forgotten(tmp_path: Path) -> None:
    remember_leaving(tmp_path, transition(BEFORE, AFTER))
    forget_leaving(tmp_path)
    forget_leaving(tmp_path)
    assert resumed(tmp_path, AFTER) == Transition(AFTER, AFTER)


def test_a_change_that_leaves_nothing_writes_nothing(tmp_path: Path) -> None:
    remember_leaving(tmp_path, transition(BEFORE, BEFORE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1, "leaving": ["x"], "tunnels": []}']
    + [json.dumps({"version": 1, "leaving": [], "tunnels": [each]}) for each in (None, {}, {"tunnel": "a/b"})],
)
def test_what_cannot_be_understood_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "leaving.json").write_text(text)
    with pytest.raises(ValueError, match=r"leaving\.json: "):
        resumed(tmp_path, AFTER)
