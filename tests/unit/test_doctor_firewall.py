"""What an nftables ruleset seems to drop, in the words of `nft --json list ruleset`."""

from __future__ import annotations

from typing import Any

import pytest
from doctor_facts import FIBER, WIRELESS, bad, dual_stack, kinds, machine, the_one

from hub.doctor.facts import Unseen

ACCEPT, DROP = {"accept": None}, {"drop": None}
Rules = list[list[dict[str, Any]]]


def chain(
    name: str = "input", hook: str | None = "input", policy: str = "drop", family: str = "inet"
) -> dict[str, Any]:
    based = {"type": "filter", "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {"family": family, "table": "f", "name": name, **based}}


def rule(*expressions: dict[str, Any], name: str = "input", family: str = "inet") -> dict[str, Any]:
    return {"rule": {"family": family, "table": "f", "chain": name, "handle": 7, "expr": list(expressions)}}


def match(left: dict[str, Any], right: Any, operator: str = "==") -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def port(protocol: str, *ports: Any, field: str = "dport") -> dict[str, Any]:
    right = ports[0] if len(ports) == 1 else {"set": list(ports)}
    return match({"payload": {"protocol": protocol, "field": field}}, right)


def interface(*names: str, key: str = "iifname", operator: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": key}}, names[0] if len(names) == 1 else {"set": list(names)}, operator)


def state(*states: str) -> dict[str, Any]:
    return match({"ct": {"key": "state"}}, list(states), "in")


BFD = rule(port("udp", 3784), ACCEPT)
TUNNELS = rule(port("udp", FIBER.port, WIRELESS.port), ACCEPT)
BGP_LEFT_OUT = (BFD, TUNNELS)
MARK_LOCAL = rule(state("established", "related"), ACCEPT), rule(interface("lo"), ACCEPT)


@pytest.mark.parametrize(
    ("rules", "accepted"),
    [
        ([], False),
        ([rule(port("tcp", 179), ACCEPT)], True),
        ([rule(port("th", 179), ACCEPT)], True),
        ([rule(port("udp", 179), ACCEPT)], False),
        ([rule(port("tcp", 179, field="sport"), ACCEPT)], False),
        ([rule(port("tcp", 22), ACCEPT)], False),
        ([rule(port("tcp", 22, 179), ACCEPT)], True),
        ([rule(port("tcp", 22, {"range": [100, 200]}), ACCEPT)], True),
        ([rule(port("tcp", "@ports"), ACCEPT)], True),
        ([rule(port("tcp", 179), DROP)], False),
        ([rule(port("tcp", 179), {"counter": None}, ACCEPT)], True),
        ([rule(ACCEPT)], True),
        ([rule(state("established", "related"), ACCEPT)], False),
        ([rule(state("established", "new"), ACCEPT)], True),
        ([rule(interface("lo"), ACCEPT)], False),
        ([rule(interface("lo", operator="!="), ACCEPT)], True),
        ([rule(interface("eth0"), ACCEPT)], False),
        ([rule(interface(FIBER.interface), ACCEPT)], True),
        ([rule(interface("eth0", "wg*"), ACCEPT)], True),
        ([rule(interface("wg*"), port("tcp", 179), ACCEPT)], True),
        ([rule(interface("eth0"), port("tcp", 179), ACCEPT)], False),
        ([rule(match({"payload": {"protocol": "ip", "field": "protocol"}}, "icmp"), ACCEPT)], False),
        ([rule(match({"meta": {"key": "l4proto"}}, "tcp"), ACCEPT)], True),
        ([rule(match({"meta": {"key": "l4proto"}}, "udp"), ACCEPT)], False),
        ([rule(match({"meta": {"key": "nfproto"}}, "ipv6"), ACCEPT)], False),
        ([rule(match({"payload": {"protocol": "ip", "field": "saddr"}}, "10.255.0.1"), ACCEPT)], True),
        ([rule({"xt": {"type": "target", "name": "ACCEPT"}})], True),
        ([rule({"jump": {"target": "own"}}), rule(port("tcp", 179), ACCEPT, name="own")], True),
        ([rule({"jump": {"target": "own"}}), rule({"jump": {"target": "input"}}, name="own")], False),
        ([rule(port("tcp", 179), ACCEPT, name="elsewhere")], False),
        ([rule({"vmap": {"key": port("tcp", 0)["match"]["left"], "data": {"set": [[179, ACCEPT]]}}})], True),
        ([rule({"vmap": {"key": port("tcp", 0)["match"]["left"], "data": {"set": [[22, ACCEPT]]}}})], False),
        ([rule({"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", ACCEPT]]}}})], False),
        ([rule({"vmap": {"key": port("tcp", 0)["match"]["left"], "data": "@map"}})], True),
    ],
)
def test_a_chain_that_drops_by_default_should_accept_bgp(rules: list[dict[str, Any]], accepted: bool) -> None:
    found = bad(machine(ruleset=(chain(), *BGP_LEFT_OUT, *rules)))
    assert kinds(found) == [("warning", "input")] * (not accepted)


def test_everything_that_is_not_accepted_is_named_in_one_line() -> None:
    finding = the_one(machine(ruleset=(chain(), *MARK_LOCAL)))
    assert (
        "tcp dport 179 from the branches, udp dport 3784 from the branches, udp dport 51000 and 1 more" in finding.text
    )
    assert finding.mend == "nft insert rule inet f input tcp dport 179 accept"


@pytest.mark.parametrize(
    "harmless",
    [
        chain(policy="accept"),
        chain(family="ip6"),
        chain(family="bridge"),
        chain(hook="output"),
        chain(hook=None),
    ],
)
def test_chains_that_do_not_decide_on_what_comes_in(harmless: dict[str, Any]) -> None:
    assert bad(machine(ruleset=(harmless,))) == []


def test_a_last_rule_that_drops_everything_is_a_default_too() -> None:
    ruleset = (chain(policy="accept"), *BGP_LEFT_OUT, rule({"counter": None}, {"reject": {"type": "icmp"}}))
    assert kinds(bad(machine(ruleset=ruleset))) == [("warning", "input")]


@pytest.mark.parametrize(
    ("rules", "accepted"),
    [
        ([], False),
        ([rule(interface("docker0"), ACCEPT, name="forward")], False),
        ([rule(state("established"), ACCEPT, name="forward")], False),
        ([rule(interface("wg*"), ACCEPT, name="forward")], True),
        ([rule(interface("wg*", key="oifname"), ACCEPT, name="forward")], True),
    ],
)
def test_a_chain_that_drops_what_is_forwarded(rules: list[dict[str, Any]], accepted: bool) -> None:
    found = bad(machine(ruleset=(chain("forward", "forward"), *rules)))
    assert kinds(found) == [("warning", "forward")] * (not accepted)


def reverse_path(*flags: str, right: Any = False) -> dict[str, Any]:
    return match({"fib": {"result": "oif", "flags": list(flags)}}, right)


IPV6_ONLY = match({"meta": {"key": "nfproto"}}, "ipv6")


@pytest.mark.parametrize(
    ("expressions", "wrong"),
    [
        ([reverse_path("saddr", "iif"), DROP], True),
        ([reverse_path("saddr", "mark", "iif"), DROP], True),
        ([reverse_path("saddr", "iif", right="0"), {"counter": None}, DROP], True),
        ([reverse_path("saddr"), DROP], False),
        ([reverse_path("saddr", "iif"), ACCEPT], False),
        ([reverse_path("saddr", "iif", right=True), DROP], False),
        ([IPV6_ONLY, reverse_path("saddr", "iif"), DROP], False),
        ([interface("eth0"), reverse_path("saddr", "iif"), DROP], False),
        ([interface("wg*"), reverse_path("saddr", "iif"), DROP], True),
        ([interface("wg*", operator="!="), reverse_path("saddr", "iif"), DROP], False),
    ],
)
def test_the_firewalls_own_strict_reverse_path_filter(expressions: list[dict[str, Any]], wrong: bool) -> None:
    ruleset = (chain("pre", "prerouting", "accept"), rule(*expressions, name="pre"))
    assert kinds(bad(machine(ruleset=ruleset))) == [("wrong", "reverse-path")] * wrong


def test_a_filter_of_ipv6_counts_where_ipv6_is_carried() -> None:
    ruleset = (chain("pre", "prerouting", "accept"), rule(IPV6_ONLY, reverse_path("saddr", "iif"), DROP, name="pre"))
    assert kinds(bad(machine(ruleset=ruleset), dual_stack())) == [("wrong", "reverse-path")]


def test_a_ruleset_that_may_not_be_read_is_said() -> None:
    assert str(the_one(machine(ruleset=Unseen()))) == "firewall: not looked at: the firewall's rules: needs root"


def test_rules_of_the_old_iptables_are_said_not_to_be_read() -> None:
    assert kinds(bad(machine(legacy_tables=True))) == [("not looked at", "legacy")]
