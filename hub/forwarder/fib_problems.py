"""What is wrong in the kernel's forwarding table, in words: what it refuses us, and what others have put in our way."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping

from hub.forwarder import fib_plan, fib_sources
from hub.forwarder.fib_plan import Key, RouteKey
from hub.forwarder.fib_reading import Strangers
from hub.forwarder.netlink.rules import Rule
from hub.forwarder.netlink.sockets import Failure
from hub.forwarder.problems import Problem
from hub.source_priorities import FIRST_PRIORITY, LAST_PRIORITY

_PROTOCOL_NAMES = {
    1: "redirect", 2: "kernel", 3: "boot (typed by hand)", 4: "static", 9: "ra", 11: "zebra (FRR)", 12: "bird",
    16: "dhcp", 18: "keepalived", 42: "babel", 186: "bgp (FRR)", 187: "isis (FRR)", 188: "ospf (FRR)", 189: "rip (FRR)",
}  # fmt: skip


def refusal(key: Key, failure: Failure, ids: Mapping[str, int]) -> Problem:
    """A nexthop, a route or a rule that the kernel refuses; `ids` are the pairs of nexthops of the classes."""
    if isinstance(key, Rule):
        mend = "use a kernel with CONFIG_IP_MULTIPLE_TABLES, or no rules by hub prefix; it is tried again by itself"
        return Problem(problem_key(key), f"the kernel refuses the rule {_rule_text(key)}: {failure}", mend)
    if isinstance(key, int):
        pair = fib_plan.pair_of(key)
        name = next((name for name, number in ids.items() if number == pair), "no class")
        what = f"the {'IPv4' if key == pair else 'IPv6'} nexthop {key} of class {name}"
    else:
        what = f"the route to {fib_plan.prefix_text(key)}{_in_table(key)}"
    mend = 'look at the interface of the tunnel with "ip addr"; it is tried again by itself'
    return Problem(problem_key(key), f"the kernel refuses {what}: {failure}", mend)


def in_our_way(
    foreign: Mapping[RouteKey, int], conflicts: Collection[Key], wanted: Mapping[RouteKey, int]
) -> dict[str, Problem]:
    """Routes of others (by protocol) in the way of ours (same metric: `conflicts`), or before ours (a better one)."""
    problems = {}
    for key, protocol in foreign.items():
        in_the_way = key in conflicts
        better = len(key) == 3 and key[2] < fib_plan.ROUTE_METRIC
        before_ours = better and (key[0], key[1], fib_plan.ROUTE_METRIC) in wanted
        if in_the_way or before_ours:
            problem = _foreign_problem(key, protocol, in_the_way=in_the_way)
            problems[problem.key] = problem
    return problems


def _foreign_problem(key: RouteKey, protocol: int, *, in_the_way: bool) -> Problem:
    prefix, owner = fib_plan.prefix_text(key), _PROTOCOL_NAMES.get(protocol, str(protocol))
    what = "is in the way of ours" if in_the_way else "wins over ours"
    text = f"a route of another program to {prefix}{_in_table(key)} (protocol {owner}, metric {key[2]}) {what}"
    command = f"ip route del {prefix}" if len(key[0]) == 4 else f"ip -6 route del {prefix} proto {protocol}"
    mend = (
        f"remove it ({command}{_in_table(key, of='')} metric {key[2]}), or take {prefix} out of the branch's prefixes"
    )
    return Problem(problem_key(key), text, mend)


def _in_table(key: RouteKey, of: str = "in ") -> str:
    return f" {of}table {key[3]}" if len(key) == 4 else ""


def problem_key(key: Key) -> str:
    """What a problem with a nexthop, a route or a rule is known by."""
    if isinstance(key, Rule):
        return f"fib:rule:{_source(key)}"
    if isinstance(key, int):
        return f"fib:nexthop:{key}"
    return ":".join(["fib:route", fib_plan.prefix_text(key), *map(str, key[2:])])


def before_our_rules(foreign: Iterable[Rule], wanted: Collection[Rule]) -> dict[str, Problem]:
    """Rules of others that are asked before ours for packets from a source of ours."""
    problems = {}
    for rule in foreign:
        for ours in wanted:
            if rule.priority <= ours.priority and fib_sources.overlap(rule, ours):
                problem = _rule_problem(rule, ours)
                problems[problem.key] = problem
    return problems


def _rule_problem(rule: Rule, ours: Rule) -> Problem:
    version = 4 if rule.family == socket.AF_INET else 6
    own = f"{FIRST_PRIORITY} to {LAST_PRIORITY}"
    text = f"a rule of another program ({_rule_text(rule)}) is asked before ours for packets from {_source(ours)}"
    command = f"ip -{version} rule del priority {rule.priority} from {_source(rule)} lookup {rule.table}"
    mend = f"remove it ({command}), or give it a priority outside {own}, which are Pointsman's"
    return Problem(f"fib:foreign-rule:{version}:{rule.priority}:{_source(rule)}", text, mend)


def in_our_tables(strangers: Mapping[int, Strangers], tables: Mapping[str, int]) -> dict[str, Problem]:
    """Routes of others in the tables of our sources: they take packets that would be looked up elsewhere."""
    problems = {}
    for source, table in tables.items():
        found = strangers.get(table)
        if found is not None:
            owner = _PROTOCOL_NAMES.get(found.protocol, str(found.protocol))
            first = f"{fib_plan.prefix_text(found.first)} (protocol {owner}, metric {found.first[2]})"
            text = f"routes of other programs are in table {table}, which is for packets from {source}: {found.count}"
            mend = (
                f"remove them: ip route show table {table}, with -6 those of IPv6, lists them beside ours (proto 112)"
            )
            problems[f"fib:table:{table}"] = Problem(f"fib:table:{table}", f"{text}, such as {first}", mend)
    return problems


def no_tables(sources: Collection[str]) -> dict[str, Problem]:
    """Sources for which no table is left."""
    if not sources:
        return {}
    text = f"no routing table is left for packets from {', '.join(sources)}: they go as packets from elsewhere do"
    between = f"{fib_sources.FIRST_TABLE} to {fib_sources.LAST_TABLE}"
    return {"fib:tables": Problem("fib:tables", text, f"use fewer hub prefixes in rules, or free tables {between}")}


def _rule_text(rule: Rule) -> str:
    owner = _PROTOCOL_NAMES.get(rule.protocol, str(rule.protocol))
    return f"priority {rule.priority}, from {_source(rule)} lookup {rule.table}, protocol {owner}"


def _source(rule: Rule) -> str:
    return fib_plan.prefix_text((rule.source, rule.length, 0))
