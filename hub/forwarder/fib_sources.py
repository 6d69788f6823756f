"""Where packets from a prefix of the hub go their own way: a table of routes and a rule for each such source. Pure.

A class with sources has its routes in the tables of its sources, and none in the main table. What a table does not have
is looked up in the next one: that of a shorter source that holds the address too, then the main table.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from hub.forwarder.classes import ForwardingClass
from hub.forwarder.fib_plan import PROTOCOL, Tables, destination, prefix_text
from hub.forwarder.netlink.rules import Rule
from hub.source_priorities import FIRST_PRIORITY, LAST_PRIORITY, priority_of

FIRST_TABLE, LAST_TABLE = 112_000, 112_255
"""Our range of routing tables; the number of a table is the same for both IP versions."""


def in_range(table: int) -> bool:
    """Whether a table is of the range that we use."""
    return FIRST_TABLE <= table <= LAST_TABLE


def concerns_us(rule: Rule) -> bool:
    """Whether a rule, whoever's it is, looks up a table of our range or has one of our priorities."""
    return in_range(rule.table) or FIRST_PRIORITY <= rule.priority <= LAST_PRIORITY


def rule_of(source: str, table: int) -> Rule:
    """The rule that looks packets from a source up in its table."""
    network, length = destination(source)
    return Rule(network, length, table, priority_of(length, 8 * len(network)), PROTOCOL)


def tables_of(each: ForwardingClass, tables: Mapping[str, int]) -> Tables:
    """The tables that the routes of a class are in; None for the main table. A source without a table has none."""
    if not each.sources:
        return None
    return tuple((len(destination(source)[0]), tables[source]) for source in each.sources if source in tables)


def rules_of(each: ForwardingClass, tables: Mapping[str, int]) -> frozenset[Rule]:
    """The rules that bring packets to the routes of a class: of each IP version that it has prefixes of."""
    if not each.sources:
        return frozenset()
    versions = {":" in prefix for prefix in each.prefixes}
    wanted = [source for source in each.sources if (":" in source) in versions and source in tables]
    return frozenset(rule_of(source, tables[source]) for source in wanted)


def rules_wanted(classes: Iterable[ForwardingClass], tables: Mapping[str, int]) -> set[Rule]:
    """The rules of all classes."""
    return {rule for each in classes for rule in rules_of(each, tables)}


def tables_in(rules: Iterable[Rule]) -> dict[str, int]:
    """The tables by source, as rules of ours have them; of several rules for one source the first counts."""
    found: dict[str, int] = {}
    for rule in sorted(rules, key=lambda rule: (rule.priority, rule.table)):
        found.setdefault(prefix_text((rule.source, rule.length, 0)), rule.table)
    return found


def overlap(some: Rule, other: Rule) -> bool:
    """Whether a packet can be of the sources of both."""
    shift = 8 * len(some.source) - min(some.length, other.length)
    return len(some.source) == len(other.source) and (
        int.from_bytes(some.source, "big") >> shift == int.from_bytes(other.source, "big") >> shift
    )


def assigned(sources: Iterable[str], tables: Mapping[str, int], taken: Container[int]) -> dict[str, int]:
    """A table for each source: the one that it has, else the lowest that is free; none where every one is in use."""
    wanted = dict.fromkeys(sources)
    kept = {source: tables[source] for source in wanted if source in tables}
    used = set(kept.values())
    free = (number for number in range(FIRST_TABLE, LAST_TABLE + 1) if number not in used and number not in taken)
    new = [source for source in wanted if source not in kept]
    return kept | dict(zip(new, free, strict=False))
