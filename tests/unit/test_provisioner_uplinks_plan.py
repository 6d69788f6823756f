"""What differs between the pins that are wanted and the machine; a table: the first row is fine, others differ in one.

telkom   eth0  198.51.100.2/30   gateway 198.51.100.1   mark 28673
biznet   eth1  by DHCP           gateway dhcp           mark 28674
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from hub.provisioner.ownership import PROTOCOL
from hub.provisioner.uplinks.pins import (
    ADDRESS_PRIORITY,
    LAST_PRIORITY,
    MARK_PRIORITY,
    NEAR_PRIORITY,
    UNREACHABLE,
    WORST_METRIC,
    Interface,
    Pin,
    Route,
    Rule,
    Seen,
)
from hub.provisioner.uplinks.plan import Steps, pins_of, plan_pins
from hub.provisioner.wanted import NOTHING, WantedUplink
from hub.source_priorities import FIRST_PRIORITY

TELKOM = WantedUplink("telkom", "telkom", "eth0", "198.51.100.1", "198.51.100.2", 28673)
BIZNET = WantedUplink("biznet", "biznet", "eth1", "dhcp", None, 28674)
WANTED = replace(NOTHING, network="kencana", uplinks=(BIZNET, TELKOM))

ETH0 = Interface(frozenset({"198.51.100.2"}), (IPv4Network("198.51.100.0/30"),))
LEASE = Route(254, "default", "203.0.113.1", "eth1", metric=100, protocol=16)
ETH1 = Interface(frozenset({"203.0.113.9"}), (IPv4Network("203.0.113.0/24"),), LEASE)
MAIN = Rule(32766, 254, protocol=2)
BARE = Seen({"eth0": ETH0, "eth1": ETH1, "lan": Interface(frozenset({"10.0.0.1"}))}, (MAIN,))

PINS = (
    Pin("biznet", 28674, "eth1", "203.0.113.1"),
    Pin("telkom", 28673, "eth0", "198.51.100.1", "198.51.100.2"),
)


def made(pins: Iterable[Pin] = PINS, bare: Seen = BARE) -> Seen:
    """The machine with these pins complete."""
    rules = tuple(rule for pin in pins for rule in pin.rules)
    return replace(bare, rules=(*bare.rules, *rules), routes=tuple(route for pin in pins for route in pin.routes))


def steps(seen: Seen) -> dict[str, Steps]:
    return {change.target: change.how for change in plan_pins(WANTED, seen).changes}


def test_an_uplink_has_a_table_of_its_mark_with_its_default_route_and_below_it_unreachable() -> None:
    assert steps(BARE)["uplink telkom"].put == (
        Route(28673, "default", None, None, UNREACHABLE, metric=WORST_METRIC),
        Route(28673, "default", "198.51.100.1", "eth0", source="198.51.100.2"),
    )


def test_what_has_the_mark_is_looked_up_there_and_what_is_sent_from_the_address() -> None:
    assert steps(BARE)["uplink telkom"].add == (
        Rule(MARK_PRIORITY, 28673, mark=28673),
        Rule(NEAR_PRIORITY, 254, source="198.51.100.2/32", suppress=1),
        Rule(ADDRESS_PRIORITY, 28673, source="198.51.100.2/32"),
    )


def test_without_a_fixed_address_only_the_mark_counts() -> None:
    assert steps(BARE)["uplink biznet"].add == (Rule(MARK_PRIORITY, 28674, mark=28674),)


def test_a_gateway_by_dhcp_is_that_of_the_machine_s_own_default_route() -> None:
    assert Route(28674, "default", "203.0.113.1", "eth1") in steps(BARE)["uplink biznet"].put


def test_the_rules_stand_before_those_of_the_forwarder_and_before_main() -> None:
    assert MARK_PRIORITY < NEAR_PRIORITY < ADDRESS_PRIORITY < LAST_PRIORITY < FIRST_PRIORITY < 32766


def test_what_is_there_is_not_made_again() -> None:
    assert plan_pins(WANTED, made()).changes == ()


def test_an_uplink_without_interface_or_gateway_is_not_pinned() -> None:
    loose = (replace(TELKOM, gateway=None), replace(BIZNET, interface=None))
    assert plan_pins(replace(WANTED, uplinks=loose), BARE) == plan_pins(NOTHING, BARE)


def test_another_gateway_in_the_lease_is_followed() -> None:
    lease = replace(LEASE, gateway="203.0.113.254")
    seen = made(bare=replace(BARE, interfaces={**BARE.interfaces, "eth1": replace(ETH1, default=lease)}))
    (change,) = plan_pins(WANTED, seen).changes
    assert change.how == Steps(put=(Route(28674, "default", "203.0.113.254", "eth1"),))
    assert change.text == "go by eth1 via 203.0.113.254 in place of eth1 via 203.0.113.1"


def test_a_default_route_on_a_link_without_router_is_pinned_as_it_is() -> None:
    lease = replace(LEASE, gateway=None)
    seen = replace(BARE, interfaces={**BARE.interfaces, "eth1": replace(ETH1, default=lease)})
    assert Route(28674, "default", None, "eth1") in steps(seen)["uplink biznet"].put


@pytest.mark.parametrize("rule", PINS[1].rules, ids=str)
def test_a_rule_that_is_missing_is_put_back_and_nothing_else_is_touched(rule: Rule) -> None:
    seen = made()
    without = replace(seen, rules=tuple(each for each in seen.rules if each != rule))
    assert steps(without) == {"uplink telkom": Steps(add=(rule,))}


@pytest.mark.parametrize("route", PINS[1].routes, ids=str)
def test_a_route_that_is_missing_is_put_back(route: Route) -> None:
    seen = made()
    without = replace(seen, routes=tuple(each for each in seen.routes if each != route))
    assert steps(without) == {"uplink telkom": Steps(put=(route,))}


def test_rules_and_routes_of_an_address_that_is_another_now_go() -> None:
    old = Pin("telkom", 28673, "eth0", "198.51.100.1", "198.51.100.6")
    found = steps(made((PINS[0], old)))
    assert found["uplink telkom"].delete == old.rules[1:]
    assert found["uplink telkom"].add == PINS[1].rules[1:]
    assert found["uplink telkom"].drop == ()


def test_a_second_default_route_of_ours_goes() -> None:
    seen = made()
    other = Route(28673, "default", "198.51.100.1", "eth0", metric=5)
    assert steps(replace(seen, routes=(*seen.routes, other))) == {"uplink telkom": Steps(drop=(other,))}


def test_the_pins_of_an_uplink_that_is_gone_are_removed_at_the_end() -> None:
    gone = Pin("cbn", 28700, "eth2", "192.0.2.1", "192.0.2.2")
    (change,) = plan_pins(WANTED, made((*PINS, gone))).changes
    assert change.removes
    assert change.how == Steps(delete=gone.rules, drop=gone.routes)


def test_foreign_rules_and_routes_are_never_touched() -> None:
    rules = (Rule(1000, 77, source="10.0.0.0/8", protocol=4), Rule(MARK_PRIORITY, 78, mark=9, protocol=4))
    routes = (Route(77, "default", "192.0.2.1", "eth2", protocol=4), Route(254, "default", "192.0.2.1", "eth2"))
    seen = made()
    seen = replace(seen, rules=(*seen.rules, *rules), routes=(*seen.routes, *routes))
    assert plan_pins(replace(WANTED, uplinks=()), seen).changes != ()
    for change in plan_pins(replace(WANTED, uplinks=()), seen).changes:
        assert not {*change.how.delete, *change.how.drop} & {*rules, *routes}


def _interface(name: str, **differs: object) -> Callable[[Seen], Seen]:
    return lambda seen: replace(
        seen,
        interfaces={**seen.interfaces, name: replace(seen.interfaces[name], **differs)},  # type: ignore[arg-type]
    )


REFUSED = {
    "no interface": (
        lambda seen: replace(seen, interfaces={"eth1": ETH1}),
        "uplink telkom: there is no interface eth0",
    ),
    "no such network": (
        _interface("eth0", networks=(IPv4Network("192.0.2.0/24"),)),
        "uplink telkom: gateway 198.51.100.1 is on no network of eth0 (192.0.2.0/24)",
    ),
    "no network at all": (
        _interface("eth0", networks=()),
        "uplink telkom: gateway 198.51.100.1 is on no network of eth0 (none: is it up, and has it an address?)",
    ),
    "another address": (
        _interface("eth0", addresses=frozenset({"198.51.100.6"})),
        "uplink telkom: address 198.51.100.2 is not on this machine (eth0 has 198.51.100.6)",
    ),
    "no lease": (
        _interface("eth1", default=None),
        "uplink biznet: gateway: dhcp, but this machine has no default route through eth1",
    ),
    "a foreign route": (
        lambda seen: replace(seen, routes=(Route(28673, "10.0.0.0/8", None, "lan", protocol=3),)),
        "uplink telkom: routing table 28673 has a route that is not ours: 10.0.0.0/8 dev lan",
    ),
    "a foreign rule": (
        lambda seen: replace(seen, rules=(Rule(5, 9, mark=28674, protocol=3),)),
        "uplink biznet: mark 28674 is used by a rule that is not ours: rule fwmark 28674 lookup 9 (priority 5)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_stands_in_the_way_is_said_with_a_mend_and_the_other_uplink_is_pinned(name: str) -> None:
    change, said = REFUSED[name]
    planned = plan_pins(WANTED, change(BARE))
    (refusal,) = planned.refusals
    assert f"{refusal.target}: {refusal.text}" == said
    assert refusal.mend
    assert [change.target for change in planned.changes] == [
        f"uplink {each.name}" for each in WANTED.uplinks if f"uplink {each.name}" != refusal.target
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_the_pins_of_an_uplink_that_is_refused_stay(name: str) -> None:
    change, _ = REFUSED[name]
    have = made()
    seen = change(have)
    seen = replace(seen, rules=(*seen.rules, *have.rules), routes=(*seen.routes, *have.routes))
    assert not plan_pins(WANTED, seen).changes


def test_a_rule_that_asks_for_more_than_the_mark_is_no_conflict() -> None:
    seen = replace(BARE, rules=(Rule(32765, 51820, mark=28673, protocol=4, other=True),))
    assert pins_of(WANTED, seen)[1] == ()


def test_our_protocol_number_is_not_the_forwarder_s() -> None:
    from hub.forwarder.fib_plan import PROTOCOL as FORWARDER

    assert PROTOCOL != FORWARDER
