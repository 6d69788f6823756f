"""From one configuration to another: what leaves first, what restarts, what is free to go."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from small_network import HUB, a_branch, a_network

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Link, Session, SessionKind
from policies.model.transport import Existing, Inner, Ipsec, PresharedKey
from policies.model.view import ClassView, LivenessState, LivenessView, PathSeen, View
from policies.ranking import standing_order
from policies.transition import restarting_sessions, still_carrying, transition, untold

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
BRANCH = a_branch()
BEFORE = a_network(BRANCH, a_branch("tegal", number=2))
NOW = Instant(100.0)


def without(branch: Branch, name: str) -> Branch:
    return replace(branch, tunnels=tuple(tunnel for tunnel in branch.tunnels if tunnel.id.name != name))


def relinked(branch: Branch, *names: str) -> Branch:
    link = Link(IPv4Address("10.254.0.0"), IPv4Address("10.254.0.1"))
    return replace(branch, tunnels=tuple(replace(t, link=link) if t.id.name in names else t for t in branch.tunnels))


def test_what_only_changes_its_policy_or_timers_changes_at_once() -> None:
    after = replace(BEFORE, branches={"bandung": replace(BRANCH, prefix_limit=3)})
    change = transition(BEFORE, after)
    assert (change.interim, change.leaving) == (after, frozenset())


def test_a_removed_tunnel_stays_for_the_time_being_and_ranks_last() -> None:
    after = replace(BEFORE, branches={"bandung": without(BRANCH, "fiber")})
    change = transition(BEFORE, after)
    interim = change.interim.branches["bandung"]
    assert change.leaving == interim.leaving == {FIBER}
    assert [tunnel.id.name for tunnel in standing_order(interim)] == ["wireless", "fiber"]
    assert change.final is after


def test_a_tunnel_with_other_addresses_keeps_its_old_ones_until_it_is_free() -> None:
    after = replace(BEFORE, branches={"bandung": relinked(BRANCH, "fiber")})
    interim = transition(BEFORE, after).interim.branches["bandung"]
    assert interim.tunnels == BRANCH.tunnels
    assert interim.leaving == {FIBER}


@pytest.mark.parametrize("inner", list(Inner))
def test_a_tunnel_whose_interface_is_made_anew_of_something_else_is_left_first(inner: Inner) -> None:
    fiber, wireless = BRANCH.tunnels
    ipsec = replace(fiber, transport=Ipsec(PresharedKey("a.psk"), "hub", "bandung", inner))
    as_ipsec = replace(BEFORE, branches={"bandung": replace(BRANCH, tunnels=(ipsec, wireless))})
    gre = replace(fiber, transport=Ipsec(PresharedKey("a.psk"), "hub", "bandung", Inner.GRE))
    as_gre = replace(BEFORE, branches={"bandung": replace(BRANCH, tunnels=(gre, wireless))})
    assert transition(BEFORE, as_ipsec).leaving == transition(as_ipsec, BEFORE).leaving == {FIBER}
    assert transition(BEFORE, as_ipsec).interim.branches["bandung"].tunnels == BRANCH.tunnels
    assert transition(as_gre, as_ipsec).leaving == (set() if inner is Inner.GRE else {FIBER})


def test_a_tunnel_that_becomes_an_adopted_one_is_left_first_and_so_is_one_that_is_handed_over() -> None:
    fiber, wireless = BRANCH.tunnels
    adopted = replace(fiber, interface="wg-old", transport=Existing())
    after = replace(BEFORE, branches={"bandung": replace(BRANCH, tunnels=(adopted, wireless))})
    assert transition(BEFORE, after).leaving == transition(after, BEFORE).leaving == {FIBER}
    assert transition(BEFORE, after).interim.branches["bandung"].tunnels == BRANCH.tunnels
    other = replace(BRANCH, tunnels=(replace(adopted, interface="gre7"), wireless))
    assert transition(after, replace(BEFORE, branches={"bandung": other})).leaving == {FIBER}


def test_a_new_name_for_a_tunnel_comes_when_the_old_one_is_gone() -> None:
    fiber, wireless = BRANCH.tunnels
    renamed = replace(fiber, id=TunnelId("bandung", "main"))
    change = transition(BEFORE, replace(BEFORE, branches={"bandung": replace(BRANCH, tunnels=(renamed, wireless))}))
    assert [tunnel.id.name for tunnel in change.interim.branches["bandung"].tunnels] == ["wireless", "fiber"]
    assert [tunnel.id.name for tunnel in change.final.branches["bandung"].tunnels] == ["main", "wireless"]


def with_ipv6(branch: Branch, number: int, *names: str) -> Branch:
    def changed(link: Link) -> Link:
        return replace(link, hub6=IPv6Address(f"fd00::{number}0"), branch6=IPv6Address(f"fd00::{number}1"))

    return replace(
        branch, tunnels=tuple(replace(t, link=changed(t.link)) if t.id.name in names else t for t in branch.tunnels)
    )


def test_a_tunnel_with_another_ipv6_link_is_left_first_and_one_that_gets_its_first_is_not() -> None:
    with_one = replace(BEFORE, branches={"bandung": with_ipv6(BRANCH, 1, "fiber")})
    with_another = replace(BEFORE, branches={"bandung": with_ipv6(BRANCH, 2, "fiber")})
    assert transition(BEFORE, with_one).leaving == frozenset()
    assert transition(with_one, with_another).leaving == {FIBER}


def test_where_no_tunnel_stays_there_is_nothing_to_move_to() -> None:
    after = replace(BEFORE, branches={"bandung": relinked(BRANCH, "fiber", "wireless")})
    change = transition(BEFORE, after)
    assert (change.interim, change.leaving) == (after, frozenset())


@pytest.mark.parametrize(
    ("changed", "restarts"),
    [
        (replace(BRANCH, asn=65099), True),
        (replace(BRANCH, session=Session(SessionKind.EBGP, "bandung.bgp")), True),
        (replace(BRANCH, session=Session(ttl_security=True)), True),
        (replace(BRANCH, prefix_limit=3), False),
        (replace(BRANCH, policy=replace(BRANCH.policy, prefer=("wireless",))), False),
    ],
)
def test_a_session_restarts_when_what_it_is_made_of_changes(changed: Branch, restarts: bool) -> None:
    after = replace(BEFORE, branches={**BEFORE.branches, "bandung": changed})
    assert restarting_sessions(BEFORE, after) == (frozenset({FIBER, WIRELESS}) if restarts else frozenset())


def test_another_router_id_of_the_hub_restarts_every_session() -> None:
    after = replace(BEFORE, hub=replace(HUB, router_id=IPv4Address("10.0.0.9")))
    assert restarting_sessions(BEFORE, after) == frozenset(BEFORE.tunnels())


LEAVING = transition(BEFORE, replace(BEFORE, branches={"bandung": without(BRANCH, "fiber")}))


def seen(*, hub: TunnelId, branch: TunnelId, at: float, fiber: LivenessState = LivenessState.UP) -> View:
    return View(
        liveness={FIBER: LivenessView(fiber), WIRELESS: LivenessView(LivenessState.UP)},
        classes={"bandung": ClassView("bandung", "bandung", hub, (WIRELESS, FIBER), BRANCH.prefixes, 1, NOW, "")},
        paths={("bandung", 4): PathSeen(branch, Instant(at), Instant(at))},
        forwarder=True,
    )


@pytest.mark.parametrize(
    ("view", "carries"),
    [
        (seen(hub=FIBER, branch=WIRELESS, at=99.0), True),
        (seen(hub=WIRELESS, branch=FIBER, at=99.0), True),
        (seen(hub=WIRELESS, branch=WIRELESS, at=99.0), False),
        (seen(hub=WIRELESS, branch=FIBER, at=50.0), False),
        (seen(hub=FIBER, branch=FIBER, at=99.0, fiber=LivenessState.DOWN), False),
        (View(liveness={FIBER: LivenessView(LivenessState.UP)}, forwarder=True), False),
        (View(), True),
        (replace(seen(hub=WIRELESS, branch=WIRELESS, at=99.0), forwarder=False), True),
    ],
    ids=["hub", "branch", "neither", "long ago", "dead", "never forwarded to", "nothing known yet", "blind"],
)
def test_a_leaving_tunnel_carries_while_hub_or_branch_is_seen_to_use_it(view: View, carries: bool) -> None:
    assert still_carrying(LEAVING, view, NOW) == (frozenset({FIBER}) if carries else frozenset())


def test_a_session_is_not_closed_before_its_exabgp_can_be_told_to_withdraw() -> None:
    assert untold(LEAVING, View()) == {1}
    assert untold(LEAVING, View(speakers=frozenset({1}))) == frozenset()
    assert untold(transition(BEFORE, BEFORE), View()) == frozenset()
