"""Typed commands become lines of ExaBGP's API."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from policies.model.announcement import Announcement
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
    line,
)

BRANCH = IPv4Address("10.255.0.1")
ONE, TWO = IPv4Network("10.0.0.0/16"), IPv4Network("10.9.0.0/24")

LINES: list[tuple[Command, str]] = [
    (
        Announce(BRANCH, Announcement(990), (ONE, TWO)),
        "neighbor 10.255.0.1 announce attributes next-hop self med 990 nlri 10.0.0.0/16 10.9.0.0/24",
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
    with pytest.raises(ValueError, match=r"fit|IPv4"):
        line(Announce(BRANCH, Announcement(1), prefixes))
