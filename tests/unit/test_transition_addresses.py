"""An address or an interface is one tunnel's at a time: who takes over waits, and no neighbor is there twice."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from small_network import a_branch, a_network

from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Link, Tunnel
from policies.transition import interim_of, transition
from speaker.bgp.configuration import Rendering, render

BANDUNG, TEGAL = a_branch(), a_branch("tegal", number=2)
BEFORE = a_network(BANDUNG, TEGAL)
FIBER, WIRELESS = BANDUNG.tunnels
ELSEWHERE = a_branch("spare", number=9).tunnels[0].link


def at_port(tunnel: Tunnel, port: int, name: str | None = None) -> Tunnel:
    return replace(
        tunnel,
        id=TunnelId(tunnel.id.branch, name or tunnel.id.name),
        port=port,
        interface=f"wg{port}-{tunnel.id.branch}"[:15],
    )


def with_tunnels(branch: Branch, *tunnels: Tunnel) -> Branch:
    return replace(branch, tunnels=tunnels)


def neighbors(intent: Intent) -> Counter[str]:
    """The neighbors of the configuration that ExaBGP would get."""
    text = render(intent, Rendering("/usr/bin/python3", "/run/relay.sock"))
    return Counter(re.findall(r"^neighbor (\S+)", text, re.MULTILINE))


def names(intent: Intent) -> list[str]:
    return sorted(str(tunnel) for tunnel in intent.tunnels())


RENAMED_TO_ANOTHER_PORT = a_network(with_tunnels(BANDUNG, at_port(FIBER, 51900, "main"), WIRELESS), TEGAL)
TO_ANOTHER_BRANCH = a_network(
    with_tunnels(BANDUNG, replace(FIBER, link=ELSEWHERE), WIRELESS),
    with_tunnels(TEGAL, *TEGAL.tunnels, replace(at_port(FIBER, 51900), id=TunnelId("tegal", "main"))),
)
TO_A_NEW_BRANCH = a_network(
    with_tunnels(BANDUNG, WIRELESS),
    TEGAL,
    with_tunnels(a_branch("solo", number=3), replace(FIBER, id=TunnelId("solo", "fiber"))),
)
TO_A_BRANCH_THAT_HAS_NOTHING_ELSE = a_network(
    with_tunnels(BANDUNG, WIRELESS), with_tunnels(TEGAL, replace(at_port(FIBER, 51900), id=TunnelId("tegal", "main")))
)


@pytest.mark.parametrize(
    ("after", "meanwhile"),
    [
        (RENAMED_TO_ANOTHER_PORT, ["bandung/fiber", "bandung/wireless", "tegal/fiber", "tegal/wireless"]),
        (TO_ANOTHER_BRANCH, ["bandung/fiber", "bandung/wireless", "tegal/fiber", "tegal/wireless"]),
        (TO_A_NEW_BRANCH, ["bandung/fiber", "bandung/wireless", "tegal/fiber", "tegal/wireless"]),
        (
            TO_A_BRANCH_THAT_HAS_NOTHING_ELSE,
            ["bandung/fiber", "bandung/wireless", "tegal/fiber", "tegal/wireless"],
        ),
    ],
    ids=["another name and port", "another branch", "a new branch", "a branch that has nothing else"],
)
def test_a_link_begins_in_its_new_place_when_it_is_gone_from_the_old(after: Intent, meanwhile: list[str]) -> None:
    change = transition(BEFORE, after)
    assert change.leaving == {FIBER.id}
    assert names(change.interim) == meanwhile
    assert max(neighbors(change.interim).values()) == 1
    assert change.interim.tunnels()[FIBER.id] == FIBER
    assert change.final is after


def test_an_interface_is_one_tunnels_at_a_time_too() -> None:
    taken_over = replace(FIBER, id=TunnelId("bandung", "main"), link=ELSEWHERE)
    change = transition(BEFORE, a_network(with_tunnels(BANDUNG, taken_over, WIRELESS), TEGAL))
    assert [tunnel.id.name for tunnel in change.interim.branches["bandung"].tunnels] == ["wireless", "fiber"]


def with_ipv6(tunnel: Tunnel, number: int) -> Tunnel:
    ends = IPv6Address(f"fd00::{number}0"), IPv6Address(f"fd00::{number}1")
    return replace(tunnel, link=Link(tunnel.link.hub, tunnel.link.branch, *ends))


def test_a_tunnel_gets_the_ipv6_link_of_another_when_that_is_gone() -> None:
    before = a_network(with_tunnels(BANDUNG, with_ipv6(FIBER, 1), WIRELESS))
    change = transition(before, a_network(with_tunnels(BANDUNG, with_ipv6(WIRELESS, 1))))
    assert change.interim.branches["bandung"].tunnels == (WIRELESS, with_ipv6(FIBER, 1))
    assert change.interim.branches["bandung"].leaving == {FIBER.id}


def test_what_waits_for_one_that_waits_stays_as_it_is_too() -> None:
    """bandung's link goes to tegal, whose own goes to solo, all at once: each waits for the one before."""
    solo = a_branch("solo", ("fiber",), number=3)
    only = a_branch("tegal", ("fiber",), number=2)
    after = a_network(
        with_tunnels(BANDUNG, WIRELESS),
        with_tunnels(only, replace(only.tunnels[0], link=FIBER.link)),
        with_tunnels(solo, replace(solo.tunnels[0], link=only.tunnels[0].link)),
    )
    change = transition(a_network(BANDUNG, only, solo), after)
    assert change.interim.branches["tegal"].tunnels == only.tunnels
    assert change.interim.branches["solo"].tunnels == solo.tunnels
    assert change.leaving == {FIBER.id}


def test_an_interim_is_the_same_from_the_tunnels_that_it_keeps() -> None:
    change = transition(BEFORE, TO_ANOTHER_BRANCH)
    assert interim_of(TO_ANOTHER_BRANCH, change.old, change.leaving) == change


def test_old_tunnels_that_are_wanted_again_do_not_count() -> None:
    change = transition(BEFORE, RENAMED_TO_ANOTHER_PORT)
    assert interim_of(BEFORE, change.old, change.leaving) == transition(BEFORE, BEFORE)
