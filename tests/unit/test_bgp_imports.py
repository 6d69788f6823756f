"""A branch may announce its own prefixes over its own link, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from bgp_network import network

from policies.model.ids import Prefix
from policies.model.intent import Session, SessionKind
from speaker.bgp.events import Direction, Route, Updated
from speaker.bgp.imports import Imported, Reason, Refused, judge, refusal

INTENT = network(1)
BRANCH = INTENT.branches["b1"]
TUNNEL = BRANCH.tunnels[0]
OWN = IPv4Network("10.1.0.0/24")
GOOD = Route(OWN, IPv4Address("10.255.1.1"), (65001,))

REFUSALS: list[tuple[str, Route, Reason | None]] = [
    ("its own prefix", GOOD, None),
    ("a more specific one", replace(GOOD, prefix=IPv4Network("10.1.0.128/25")), None),
    ("one that contains its own", replace(GOOD, prefix=IPv4Network("10.1.0.0/23")), Reason.ALIEN_PREFIX),
    ("another branch's", replace(GOOD, prefix=IPv4Network("10.2.0.0/24")), Reason.ALIEN_PREFIX),
    ("the default route", replace(GOOD, prefix=IPv4Network("0.0.0.0/0")), Reason.DEFAULT_ROUTE),
    ("the hub's", replace(GOOD, prefix=IPv4Network("10.0.0.0/16")), Reason.HUB_PREFIX),
    ("a part of the hub's", replace(GOOD, prefix=IPv4Network("10.0.7.0/24")), Reason.HUB_PREFIX),
    ("more than the hub's", replace(GOOD, prefix=IPv4Network("10.0.0.0/8")), Reason.HUB_PREFIX),
    ("our AS in the path", replace(GOOD, as_path=(65001, 65000)), Reason.OWN_AS),
    ("another AS first", replace(GOOD, as_path=(65002, 65001)), Reason.FOREIGN_FIRST_AS),
    ("no path", replace(GOOD, as_path=()), Reason.FOREIGN_FIRST_AS),
    ("another AS behind it", replace(GOOD, as_path=(65001, 64999)), None),
    ("the other tunnel's next hop", replace(GOOD, next_hop=IPv4Address("10.255.1.3")), Reason.FOREIGN_NEXT_HOP),
    ("the hub as next hop", replace(GOOD, next_hop=IPv4Address("10.255.1.0")), Reason.FOREIGN_NEXT_HOP),
    ("no next hop", replace(GOOD, next_hop=None), Reason.FOREIGN_NEXT_HOP),
]


@pytest.mark.parametrize(("route", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_route_is_accepted_or_refused_for_a_reason(route: Route, reason: Reason | None) -> None:
    assert refusal(INTENT.hub, BRANCH, TUNNEL, route) is reason


DUAL = network(1, versions=(4, 6))
GOOD6 = Route(IPv6Network("2001:db8:1::/48"), IPv6Address("fd00:1::1"), (65001,))
REFUSALS6: list[tuple[str, Route, Reason | None]] = [
    ("its own prefix", GOOD6, None),
    ("a part of it", replace(GOOD6, prefix=IPv6Network("2001:db8:1:7::/64")), None),
    ("the default route", replace(GOOD6, prefix=IPv6Network("::/0")), Reason.DEFAULT_ROUTE),
    ("the hub's", replace(GOOD6, prefix=IPv6Network("2001:db8::/64")), Reason.HUB_PREFIX),
    ("another branch's", replace(GOOD6, prefix=IPv6Network("2001:db8:2::/48")), Reason.ALIEN_PREFIX),
    ("the other tunnel's next hop", replace(GOOD6, next_hop=IPv6Address("fd00:1::3")), Reason.FOREIGN_NEXT_HOP),
    ("an IPv4 next hop", replace(GOOD6, next_hop=IPv4Address("10.255.1.1")), Reason.FOREIGN_NEXT_HOP),
    ("no next hop", replace(GOOD6, next_hop=None), Reason.FOREIGN_NEXT_HOP),
    ("the link itself", replace(GOOD6, next_hop=IPv6Address("fe80::1")), None),
    ("IPv4 behind IPv6", replace(GOOD, next_hop=IPv6Address("fd00:1::1")), Reason.FOREIGN_NEXT_HOP),
]


@pytest.mark.parametrize(("route", "reason"), [row[1:] for row in REFUSALS6], ids=[row[0] for row in REFUSALS6])
def test_ipv6_is_judged_alike(route: Route, reason: Reason | None) -> None:
    branch = DUAL.branches["b1"]
    assert refusal(DUAL.hub, branch, branch.tunnels[0], route) is reason


@pytest.mark.parametrize(
    ("as_path", "reason"), [((), None), ((65000,), Reason.OWN_AS), ((65001,), Reason.FOREIGN_PATH)]
)
def test_inside_our_own_as_the_path_is_empty(as_path: tuple[int, ...], reason: Reason | None) -> None:
    branch = network(1, session=Session(SessionKind.IBGP)).branches["b1"]
    assert refusal(INTENT.hub, branch, TUNNEL, replace(GOOD, as_path=as_path)) is reason


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("10.1.0.0/24", None),
        ("10.1.0.128/25", None),
        ("10.1.0.0/16", Reason.AGGREGATE),
        ("10.0.0.0/12", Reason.AGGREGATE),
        ("10.2.0.0/24", Reason.ALIEN_PREFIX),
    ],
)
def test_no_branch_announces_an_aggregate_between_branches(prefix: str, reason: Reason | None) -> None:
    hub = replace(INTENT.hub, between_branches=(IPv4Network("10.1.0.0/16"),))
    # Even if the aggregate is configured as the branch's own.
    branch = replace(BRANCH, prefixes=(OWN, IPv4Network("10.1.0.0/16")))
    assert refusal(hub, branch, TUNNEL, replace(GOOD, prefix=IPv4Network(prefix))) is reason


def test_the_limit_counts_both_ip_versions() -> None:
    branch = replace(DUAL.branches["b1"], prefix_limit=1)
    update = Updated(IPv4Address("10.255.1.1"), Direction.RECEIVED, (GOOD, GOOD6), ())
    imported = judge(DUAL.hub, branch, branch.tunnels[0], update, ())
    assert imported == Imported((OWN,), (), (Refused(GOOD6.prefix, Reason.LIMIT),))


def heard(*routes: Route, withdrawn: tuple[Prefix, ...] = (), held: tuple[Prefix, ...] = ()) -> Imported:
    """What counts of one UPDATE."""
    return judge(INTENT.hub, BRANCH, TUNNEL, Updated(GOOD.next_hop, Direction.RECEIVED, routes, withdrawn), held)  # type: ignore[arg-type]


def test_a_withdrawal_takes_back_what_was_held() -> None:
    assert heard(withdrawn=(OWN,), held=(OWN,)) == Imported((), (OWN,), ())


def test_a_held_prefix_that_comes_again_in_a_refused_way_is_withdrawn() -> None:
    bad = replace(GOOD, as_path=(65001, 65000))
    assert heard(bad, held=(OWN,)) == Imported((), (OWN,), (Refused(OWN, Reason.OWN_AS),))


def test_no_more_prefixes_than_the_limit_are_accepted() -> None:
    parts = list(OWN.subnets(new_prefix=29))
    imported = heard(*(replace(GOOD, prefix=part) for part in parts))
    assert imported.accepted == tuple(parts[: BRANCH.prefix_limit])
    assert {refused.reason for refused in imported.refused} == {Reason.LIMIT}
    assert len(imported.refused) == len(parts) - BRANCH.prefix_limit


def test_at_the_limit_a_held_prefix_may_come_again() -> None:
    held = tuple(OWN.subnets(new_prefix=29))[: BRANCH.prefix_limit]
    assert heard(replace(GOOD, prefix=held[0]), held=held).accepted == (held[0],)


def test_the_last_word_on_a_prefix_in_one_update_counts() -> None:
    imported = heard(GOOD, replace(GOOD, next_hop=None))
    assert imported.accepted == ()
