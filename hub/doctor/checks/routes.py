"""Would packets for a branch follow our routes? Other routes, rules before the main table, a default in a tunnel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from hub.doctor.facts import Facts, Route, Rule, Unseen, Wanted
from hub.doctor.findings import Finding, fine, named, unseen, warning, wrong
from hub.forwarder import fib_sources
from hub.forwarder.fib_plan import PROTOCOL, ROUTE_METRIC
from hub.forwarder.netlink.routes import MAIN_TABLE
from policies.model.ids import Prefix

PLACE = "routes"
_LOCAL_TABLE = 255


def foreign(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Routes of other programs to the branches' prefixes in the main table."""
    if isinstance(facts.routes, Unseen):
        yield unseen(PLACE, "foreign-route", "routes of other programs", facts.routes.why)
        return
    prefixes = _Prefixes(wanted.prefixes)
    found = False
    for route in facts.routes:
        if route.table == MAIN_TABLE and route.protocol != PROTOCOL and (prefix := prefixes.around(route.prefix)):
            found = True
            yield _foreign(route, prefix, wanted.prefixes[prefix], facts)
    if wanted.prefixes and not found:
        yield fine(PLACE, "foreign-route", f"no other program routes any of the {len(wanted.prefixes)} prefixes")


def _foreign(route: Route, prefix: Prefix, branch: str, facts: Facts) -> Finding:
    whose = f"{prefix} of {branch} has a route of another program ({_described(route, facts)})"
    mend = f"{_deletion(route)}, and keep what made it from making it again"
    if route.prefix != prefix:
        text = f"{route.prefix} in {whose}: that part does not follow the tunnels"
        return warning(PLACE, "foreign-route", text, mend)
    if route.metric <= ROUTE_METRIC:
        return wrong(PLACE, "foreign-route", f"{whose}, which wins over Pointsman's ({ROUTE_METRIC})", mend)
    text = f"{whose}: with all tunnels down, packets leave by it"
    return warning(PLACE, "foreign-route", text, mend)


def _described(route: Route, facts: Facts) -> str:
    owner = facts.protocols.get(route.protocol, str(route.protocol))
    device = f", dev {route.interface}" if route.interface else ""
    return f"protocol {owner}, metric {route.metric}{device}"


def _deletion(route: Route) -> str:
    device = f" dev {route.interface}" if route.interface else ""
    metric = f" metric {route.metric}" if route.metric else ""
    return f"ip {'-6 ' if route.prefix.version == 6 else ''}route del {route.prefix}{device}{metric}"


def rules(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Rules that send packets for branches elsewhere before the main table is asked."""
    if isinstance(facts.rules, Unseen):
        yield unseen(PLACE, "rule", "policy rules", facts.rules.why)
        return
    if isinstance(facts.routes, Unseen):
        yield unseen(PLACE, "rule", "policy rules and the routes of their tables", facts.routes.why)
        return
    before = len(facts.rules)
    tables = _tables(facts.routes)
    for version in sorted(wanted.versions):
        ordered = sorted((rule for rule in facts.rules if rule.version == version), key=lambda rule: rule.priority)
        if ordered and not any(_is_main(rule) for rule in ordered):
            text = f"no IPv{version} rule looks the main table up, where Pointsman's routes are"
            mend = f"ip -{version} rule add lookup main priority 32766"
            yield wrong(PLACE, "rule", text, mend)
        for rule in takewhile(lambda rule: not _is_main(rule), ordered):
            if (finding := _rule(rule, tables.get((rule.version, rule.table), []), wanted)) is not None:
                before = -1
                yield finding
    if wanted.prefixes and before >= 0:
        yield fine(PLACE, "rule", "no rule before the main table takes packets for branches")


def in_our_tables(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Routes of other programs in the tables that only packets from one of the hub's prefixes are looked up in."""
    del wanted
    if isinstance(facts.rules, Unseen) or isinstance(facts.routes, Unseen):
        return
    ours = {rule.table: rule for rule in facts.rules if rule.protocol == PROTOCOL and fib_sources.in_range(rule.table)}
    for route in facts.routes:
        if route.protocol != PROTOCOL and (rule := ours.get(route.table)) is not None:
            text = f"table {route.table} of Pointsman, for packets {rule.selector}, has a route of another program"
            whose = f"{text} to {route.prefix} ({_described(route, facts)})"
            yield warning(PLACE, "foreign-route", whose, f"{_deletion(route)} table {route.table}")


def _is_main(rule: Rule) -> bool:
    """Whether every packet for a branch is looked up in the main table here."""
    return rule.table == MAIN_TABLE and not rule.selector


def _tables(routes: Iterable[Route]) -> dict[tuple[int, int], list[Prefix]]:
    """The prefixes of each table, by version and number."""
    found: dict[tuple[int, int], list[Prefix]] = {}
    for route in routes:
        found.setdefault((route.prefix.version, route.table), []).append(route.prefix)
    return found


def _rule(rule: Rule, table: Sequence[Prefix], wanted: Wanted) -> Finding | None:
    if rule.table in (_LOCAL_TABLE, MAIN_TABLE) or rule.protocol == PROTOCOL:
        return None
    what = f"rule {rule.priority} ({rule.selector or 'for all packets'})"
    mend = f"ip -{rule.version} rule del priority {rule.priority}, or give it a priority above 32766"
    if rule.table == 0:
        text = f"{what} drops packets before the main table is asked"
        return warning(PLACE, "rule", text, mend) if rule.selector else wrong(PLACE, "rule", text, mend)
    taken = _taken(rule, table, wanted)
    if not taken:
        return None
    text = f"{what} looks table {rule.table} up first, which has routes for {named(taken)}"
    return warning(PLACE, "rule", text, mend) if rule.selector else wrong(PLACE, "rule", text, mend)


def _taken(rule: Rule, table: Sequence[Prefix], wanted: Wanted) -> list[str]:
    """The prefixes of branches that this rule's table has a route for, or for a part of.

    A default route alone does not count for packets that are not between headquarters and branches: marked ones, or
    from elsewhere. Such rules pin what carries the tunnels to its uplink, as they should.
    """
    shortest = max(rule.suppress, 0 if _is_for_others(rule, wanted) else -1)
    counting = [prefix for prefix in table if prefix.prefixlen > shortest]
    branches, above = _Prefixes(wanted.prefixes), _Prefixes(counting)
    within = {branches.around(prefix) for prefix in counting}
    return [
        str(prefix)
        for prefix in wanted.prefixes
        if (prefix in within or above.around(prefix) is not None)
        and (rule.destination is None or _any_overlaps(prefix, [rule.destination]))
    ]


def _is_for_others(rule: Rule, wanted: Wanted) -> bool:
    """Whether a rule is for packets which are not of the headquarters and the branches themselves."""
    if rule.marked:
        return True
    own = wanted.intent.hub.prefixes if wanted.intent is not None else ()
    same = [prefix for prefix in (*own, *wanted.prefixes) if prefix.version == rule.version]
    return rule.source is not None and not _any_overlaps(rule.source, same)


def _any_overlaps(prefix: Prefix, others: Sequence[Prefix]) -> bool:
    low, high = int(prefix.network_address), int(prefix.broadcast_address)
    return any(int(other.network_address) <= high and low <= int(other.broadcast_address) for other in others)


def default_inside(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """A default route through a tunnel, which also takes what carries the tunnels."""
    if isinstance(facts.routes, Unseen):
        return
    tunnels = {tunnel.interface: tunnel for tunnel in wanted.tunnels}
    for route in facts.routes:
        if route.table == MAIN_TABLE and route.prefix.prefixlen <= 1 and route.interface in tunnels:
            text = f"the route to {route.prefix} goes into {tunnels[route.interface].id}, and the tunnels' packets too"
            mend = f"{_deletion(route)}; for wg-quick write Table = off"
            yield wrong(PLACE, "default", text, mend)


@dataclass(frozen=True, slots=True)
class _Key:
    """A _Key is a prefix as numbers, which compare quicker than prefixes."""

    version: int
    length: int
    bits: int


class _Prefixes:
    """A _Prefixes finds the one of many prefixes that holds another."""

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        self._by_key = {_key(prefix, prefix.prefixlen): prefix for prefix in prefixes}
        self._lengths = sorted({(key.version, key.length) for key in self._by_key}, reverse=True)

    def around(self, inner: Prefix) -> Prefix | None:
        """The longest prefix that is, or holds, this one."""
        for version, length in self._lengths:
            if version == inner.version and length <= inner.prefixlen:
                found = self._by_key.get(_key(inner, length))
                if found is not None:
                    return found
        return None


def _key(prefix: Prefix, length: int) -> _Key:
    return _Key(prefix.version, length, int(prefix.network_address) >> (prefix.max_prefixlen - length))
