"""Would packets for a branch follow our routes? One route or rule of somebody else, one finding."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from doctor_facts import FIBER, RULES, WELL, bad, kinds, machine, the_one

from hub.doctor.facts import Route, Rule, Unseen

STATIC, OURS, MAIN = 4, 112, 254


def route(prefix: str, metric: int = 0, protocol: int = STATIC, table: int = MAIN, interface: str = "eth0") -> Route:
    return Route(ip_network(prefix), metric, protocol, table, interface)


def others(*routes: Route) -> tuple[Route, ...]:
    assert isinstance(WELL.routes, tuple)
    return (*WELL.routes, *routes)


@pytest.mark.parametrize(
    ("foreign", "severity"),
    [
        (route("10.1.0.0/24"), "wrong"),
        (route("10.1.0.0/24", metric=100), "wrong"),
        (route("10.1.0.0/24", metric=101), "warning"),
        (route("10.1.0.128/25", metric=500), "warning"),
        (route("10.1.0.0/24", protocol=OURS), None),
        (route("10.1.0.0/24", table=100), None),
        (route("10.1.0.0/16"), None),
        (route("10.2.0.0/24"), None),
        (route("2001:db8::/32"), None),
    ],
)
def test_a_route_of_another_program(foreign: Route, severity: str | None) -> None:
    assert kinds(bad(machine(routes=others(foreign)))) == ([(severity, "foreign-route")] if severity else [])


def test_a_foreign_route_is_named_with_its_owner_and_the_command_that_deletes_it() -> None:
    finding = the_one(machine(routes=others(route("10.1.0.0/24", metric=20))))
    assert "10.1.0.0/24 of bandung" in finding.text
    assert "protocol static, metric 20, dev eth0" in finding.text
    assert str(finding.mend).startswith("ip route del 10.1.0.0/24 dev eth0 metric 20,")


@pytest.mark.parametrize(("prefix", "wrong"), [("0.0.0.0/0", True), ("128.0.0.0/1", True), ("10.0.0.0/8", False)])
def test_a_default_route_inside_a_tunnel_takes_the_tunnels_too(prefix: str, wrong: bool) -> None:
    found = bad(machine(routes=others(route(prefix, interface=FIBER.interface))))
    assert kinds(found) == [("wrong", "default")] * wrong


HUB_SOURCE, UPLINK_SOURCE = ip_network("10.0.5.0/24"), ip_network("198.51.100.1/32")


@pytest.mark.parametrize(
    ("rule", "in_table", "severity"),
    [
        (Rule(4, 100, 51), "10.1.0.0/24", "wrong"),
        (Rule(4, 100, 51), "0.0.0.0/0", "wrong"),
        (Rule(4, 100, 51), "10.1.0.7/32", "wrong"),
        (Rule(4, 100, 51), "10.2.0.0/16", None),
        (Rule(4, 40000, 51), "10.1.0.0/24", None),
        (Rule(4, 100, 52), "10.1.0.0/24", None),
        (Rule(6, 100, 51), "10.1.0.0/24", None),
        (Rule(4, 100, 51, protocol=OURS), "10.1.0.0/24", None),
        (Rule(4, 100, 51, suppress=0), "0.0.0.0/0", None),
        (Rule(4, 100, 51, suppress=0), "10.0.0.0/8", "wrong"),
        (Rule(4, 100, 51, "fwmark 0x1", marked=True), "0.0.0.0/0", None),
        (Rule(4, 100, 51, "fwmark 0x1", marked=True), "10.1.0.0/24", "warning"),
        (Rule(4, 100, 51, "not fwmark 0x1"), "0.0.0.0/0", "warning"),
        (Rule(4, 100, 51, "from 10.0.5.0/24", source=HUB_SOURCE), "0.0.0.0/0", "warning"),
        (Rule(4, 100, 51, "from 198.51.100.1/32", source=UPLINK_SOURCE), "0.0.0.0/0", None),
        (Rule(4, 100, 51, "to 10.1.0.0/16", destination=ip_network("10.1.0.0/16")), "0.0.0.0/0", "warning"),
        (Rule(4, 100, 51, "to 192.0.2.0/24", destination=ip_network("192.0.2.0/24")), "0.0.0.0/0", None),
        (Rule(4, 100, 0), "0.0.0.0/0", "wrong"),
        (Rule(4, 100, 0, "iif eth0"), "0.0.0.0/0", "warning"),
    ],
)
def test_a_rule_before_the_main_table(rule: Rule, in_table: str, severity: str | None) -> None:
    facts = machine(rules=(*RULES, rule), routes=others(route(in_table, table=51)))
    assert kinds(bad(facts)) == ([(severity, "rule")] if severity else [])


@pytest.mark.parametrize(
    ("in_table", "named"),
    [
        (route("10.1.0.0/25", table=112000), True),
        (route("0.0.0.0/0", table=112000), True),
        (route("10.1.0.0/24", metric=100, table=112000, protocol=OURS), False),
        (route("10.1.0.0/25", table=112001), False),
    ],
)
def test_a_route_of_another_program_in_the_table_of_one_of_our_sources(in_table: Route, named: bool) -> None:
    ours = Rule(4, 11208, 112000, "from 10.0.10.0/24", protocol=OURS, source=ip_network("10.0.10.0/24"))
    found = bad(machine(rules=(*RULES, ours), routes=others(in_table)))
    assert kinds(found) == [("warning", "foreign-route")] * named
    if named:
        assert "table 112000 of Pointsman, for packets from 10.0.10.0/24, has a route" in found[0].text
        assert f"ip route del {in_table.prefix} dev eth0 table 112000" in str(found[0].mend)


def test_a_rule_of_another_program_that_takes_packets_before_a_rule_of_ours_is_named() -> None:
    ours = Rule(4, 11208, 112000, "from 10.0.10.0/24", protocol=OURS, source=ip_network("10.0.10.0/24"))
    theirs = Rule(4, 5000, 51, "from 10.0.10.0/24", source=ip_network("10.0.10.0/24"))
    in_tables = (route("10.1.0.0/24", table=51), route("10.1.0.0/24", 100, OURS, 112000))
    finding = the_one(machine(rules=(*RULES, ours, theirs), routes=others(*in_tables)))
    assert "rule 5000 (from 10.0.10.0/24) looks table 51 up first" in finding.text


def test_what_comes_after_an_earlier_look_into_the_main_table_does_not_count() -> None:
    rules = (*RULES, Rule(4, 90, MAIN, suppress=0), Rule(4, 100, 51))
    assert bad(machine(rules=rules, routes=others(route("0.0.0.0/0", table=51)))) == []


def test_without_a_rule_for_the_main_table_no_route_of_ours_counts() -> None:
    assert kinds(bad(machine(rules=RULES[:1]))) == [("wrong", "rule")]


def test_tables_that_could_not_be_read_are_said() -> None:
    unread = machine(routes=Unseen("there are too many"), rules=Unseen("there are too many"))
    assert kinds(bad(unread)) == [("not looked at", "foreign-route"), ("not looked at", "rule")]
