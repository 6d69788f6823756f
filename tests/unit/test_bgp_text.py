"""Typed commands become lines of ExaBGP's API."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from policies.model.announcement import Announcement
from policies.model.intent import SessionKind
from speaker.bgp.commands import allowed
from speaker.bgp.text import (
    Announce,
    Command,
    EndOfRib,
    Flush,
    Reload,
    ShowNeighbors,
    Teardown,
    Version,
    Withdraw,
    Wording,
    line,
)

BRANCH = IPv4Address("10.255.0.1")
ONE, TWO = IPv4Network("10.0.0.0/16"), IPv4Network("10.9.0.0/24")

LINES: list[tuple[Command, str]] = [
    (
        Announce(BRANCH, Announcement(990), (ONE, TWO)),
        "neighbor 10.255.0.1 announce attributes next-hop self med 990 nlri 10.0.0.0/16 10.9.0.0/24",
    ),
    (
        Announce(BRANCH, Announcement.marked(990, [(65535, 0), (65000, 7)], [(65000, 1, 2)]), (ONE,)),
        (
            "neighbor 10.255.0.1 announce attributes next-hop self med 990 community [ 65000:7 65535:0 ] "
            "large-community [ 65000:1:2 ] nlri 10.0.0.0/16"
        ),
    ),
    (Withdraw(BRANCH, (ONE,)), "neighbor 10.255.0.1 withdraw attributes next-hop self nlri 10.0.0.0/16"),
    (EndOfRib(BRANCH), "neighbor 10.255.0.1 announce eor ipv4 unicast"),
    (Flush(BRANCH), "neighbor 10.255.0.1 flush adj-rib out"),
    (Teardown(BRANCH), "neighbor 10.255.0.1 teardown 4"),
    (Version(), "version"),
    (Reload(), "reload"),
    (ShowNeighbors(), "show neighbor json"),
]


@pytest.mark.parametrize(("command", "text"), LINES)
def test_a_command_becomes_one_line(command: Command, text: str) -> None:
    assert line(command) == text


SIX = IPv6Network("2001:db8::/48")
DUAL, IBGP = Wording(next_hop6=IPv6Address("fd00::")), Wording(SessionKind.IBGP)
WORDED: list[tuple[Command, Wording, str]] = [
    (
        Announce(BRANCH, Announcement(990), (SIX,)),
        DUAL,
        "neighbor 10.255.0.1 announce attributes next-hop fd00:: med 990 nlri 2001:db8::/48",
    ),
    (Withdraw(BRANCH, (SIX,)), DUAL, "neighbor 10.255.0.1 withdraw attributes next-hop fd00:: nlri 2001:db8::/48"),
    (EndOfRib(BRANCH, 6), DUAL, "neighbor 10.255.0.1 announce eor ipv6 unicast"),
    (
        Announce(BRANCH, Announcement(990), (ONE,)),
        IBGP,
        "neighbor 10.255.0.1 announce attributes next-hop self local-preference 999010 med 990 nlri 10.0.0.0/16",
    ),
]


@pytest.mark.parametrize(("command", "wording", "text"), WORDED)
def test_a_neighbor_is_spoken_to_in_its_own_way(command: Command, wording: Wording, text: str) -> None:
    assert line(command, wording) == text
    assert allowed(text)


def test_prefixes_of_two_ip_versions_do_not_go_into_one_line() -> None:
    with pytest.raises(ValueError, match="two IP versions"):
        line(Announce(BRANCH, Announcement(1), (ONE, SIX)), DUAL)


@pytest.mark.parametrize(("command", "text"), LINES)
def test_the_relay_lets_every_command_of_ours_pass(command: Command, text: str) -> None:
    assert allowed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shutdown",
        "restart",
        "silence-ack",
        "crash",
        "version\nshutdown",
        "neighbor é announce x",
        "neighbor 1 crash x",
    ],
)
def test_the_relay_lets_nothing_else_pass(text: str) -> None:
    assert not allowed(text)


@pytest.mark.parametrize("prefixes", [(), (ONE,) * 101, (IPv6Network("2001:db8::/48"),)])
def test_prefixes_that_do_not_fit_are_refused(prefixes: tuple[IPv4Network, ...]) -> None:
    with pytest.raises(ValueError, match=r"fit|IPv6"):
        line(Announce(BRANCH, Announcement(1), prefixes))
