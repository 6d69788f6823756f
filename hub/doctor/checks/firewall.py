"""A hint, not a proof: what the nftables ruleset seems to drop that the hub needs (libnftables-json(5)).

A rule that is not understood counts as one that accepts, and the conditions under which a chain is jumped to are not
looked at; so what is said is likely, and silence proves nothing.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.doctor.facts import Facts, Unseen, Wanted
from hub.doctor.findings import Finding, fine, named, unseen, warning, wrong
from hub.forwarder.liveness.bfd import PORT as BFD_PORT

PLACE = "firewall"
_PORTS_AT_AN_END = 4
_SOURCE_HERE = ("saddr", "iif")
"""What is looked up: the way back to the source by the interface on which the packet came."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Traffic:
    """A Traffic is packets that must get through: `protocol` empty is any, no `interfaces` are any but the loopback."""

    what: str
    protocol: str = ""
    port: int = 0
    interfaces: frozenset[str] = frozenset()


def needed(facts: Facts, wanted: Wanted) -> tuple[Traffic, ...]:
    """What must be let in; of many ports the outermost few stand for all."""
    inside = frozenset(tunnel.interface for tunnel in wanted.tunnels)
    every = sorted({tunnel.port for tunnel in wanted.tunnels})
    ports = sorted({*every[:_PORTS_AT_AN_END], *every[-_PORTS_AT_AN_END:]})
    return (
        Traffic(f"tcp dport {facts.bgp_port} from the branches", "tcp", facts.bgp_port, inside),
        Traffic(f"udp dport {BFD_PORT} from the branches", "udp", BFD_PORT, inside),
        *(Traffic(f"udp dport {port}", "udp", port, wanted.uplinks) for port in ports),
    )


def dropped(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Chains that drop by default, and do not seem to accept what the hub needs."""
    if isinstance(facts.ruleset, Unseen):
        yield unseen(PLACE, "ruleset", "the firewall's rules", facts.ruleset.why)
        return
    if facts.legacy_tables:
        where = "iptables-legacy-save shows them"
        yield unseen(PLACE, "legacy", "there are rules of the old iptables, which are not read", where)
    if not wanted.tunnels:
        return
    rules = _Ruleset(facts.ruleset)
    refused = list(_refused(rules, facts, wanted))
    yield from refused
    if not refused:
        yield fine(PLACE, "ruleset", "no nftables chain is seen to drop BGP, BFD, tunnels or what is forwarded")


def _refused(rules: _Ruleset, facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    for chain in rules.dropping("input"):
        lacking = [each.what for each in needed(facts, wanted) if not rules.accepts(chain, each)]
        if lacking:
            text = f"chain {_name(chain)} drops what it does not accept, and is not seen to accept {named(lacking)}"
            mend = f"nft insert rule {_name(chain)} {lacking[0].removesuffix(' from the branches')} accept"
            yield warning(PLACE, "input", text, mend)
    inside = frozenset(tunnel.interface for tunnel in wanted.tunnels)
    through = Traffic("between the headquarters and the branches", interfaces=inside)
    for chain in rules.dropping("forward"):
        if not rules.accepts(chain, through):
            text = (
                f"chain {_name(chain)} drops what it does not accept, and is not seen to accept new traffic of tunnels"
            )
            mend = f'nft insert rule {_name(chain)} iifname "wg*" accept, and oifname likewise'
            yield warning(PLACE, "forward", text, mend)


def reverse_path(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """The firewall's own strict reverse-path filter: `fib saddr . iif` without a route is dropped."""
    if isinstance(facts.ruleset, Unseen):
        return
    inside = frozenset(tunnel.interface for tunnel in wanted.tunnels)
    for rule in _Ruleset(facts.ruleset).rules:
        if _is_reverse_path(rule) and _version_fits(rule, wanted.versions) and _interface_fits(rule, inside):
            text = (
                f"a rule of chain {_name(rule, 'chain')} drops packets that come by another tunnel than it would take"
            )
            mend = (
                f"nft delete rule {_name(rule, 'chain')} handle {rule.get('handle')} (firewalld: IPv6_rpfilter=loose)"
            )
            yield wrong(PLACE, "reverse-path", text, mend)


class _Ruleset:
    """A _Ruleset is the objects of a ruleset, ordered for questions."""

    def __init__(self, objects: Iterable[Json]) -> None:
        each = list(objects)
        self.rules = [_part(one, "rule") for one in each if "rule" in one]
        self.chains = [_part(one, "chain") for one in each if "chain" in one]
        self._by_chain: dict[tuple[str, str, str], list[Json]] = {}
        for rule in self.rules:
            self._by_chain.setdefault(_chain_key(rule, "chain"), []).append(rule)

    def dropping(self, hook: str) -> list[Json]:
        """The IPv4 base chains of a hook that drop what no rule of theirs decides."""
        return [
            chain
            for chain in self.chains
            if chain.get("hook") == hook and chain.get("family") in ("ip", "inet") and self._drops(chain)
        ]

    def _drops(self, chain: Json) -> bool:
        rules = self._by_chain.get(_chain_key(chain, "name"), [])
        last = _expressions(rules[-1]) if rules else []
        verdicts = [each for each in last if "counter" not in each and "log" not in each]
        at_the_end = bool(verdicts) and all(each.keys() & {"drop", "reject"} for each in verdicts)
        return chain.get("policy") == "drop" or at_the_end

    def accepts(self, chain: Json, traffic: Traffic) -> bool:
        """Whether a rule of the chain, or of one that it leads to, may accept new packets of this kind."""
        waiting, done = [_chain_key(chain, "name")], set()
        while waiting:
            key = waiting.pop()
            if key in done:
                continue
            done.add(key)
            for rule in self._by_chain.get(key, []):
                if _may_accept(rule, traffic):
                    return True
                waiting += [(key[0], key[1], target) for target in _targets(rule)]
        return False


def _part(each: Any, key: str) -> Json:
    """A part that is itself an object; empty when there is none."""
    found = each.get(key) if isinstance(each, dict) else None
    return found if isinstance(found, dict) else {}


def _expressions(rule: Json) -> list[Json]:
    """What a rule is made of."""
    found = rule.get("expr")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _chain_key(each: Json, field: str) -> tuple[str, str, str]:
    return (str(each.get("family")), str(each.get("table")), str(each.get(field)))


def _name(each: Json, field: str = "name") -> str:
    return " ".join(_chain_key(each, field))


def _targets(rule: Json) -> Iterator[str]:
    """The chains that a rule leads to."""
    for expression in _expressions(rule):
        for verdict in [expression, *_verdicts(expression)]:
            for way in ("jump", "goto"):
                if isinstance(verdict.get(way), dict):
                    yield str(verdict[way].get("target"))


def _verdicts(expression: Json) -> list[Json]:
    """The verdicts of a verdict map."""
    return [verdict for _, verdict in _pairs(expression)]


def _pairs(expression: Json) -> list[tuple[Any, Json]]:
    """The values of a verdict map, each with its verdict."""
    found = _part(_part(expression, "vmap"), "data").get("set")
    pairs = found if isinstance(found, list) else []
    return [
        (pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict)
    ]


def _may_accept(rule: Json, traffic: Traffic) -> bool:
    expressions = _expressions(rule)
    if not any("accept" in each or "xt" in each or _map_accepts(each, traffic) for each in expressions):
        return False
    return all(_fits(_part(each, "match"), traffic) for each in expressions if "match" in each)


def _map_accepts(expression: Json, traffic: Traffic) -> bool:
    """Whether a verdict map has an accept for this traffic; a map by name may."""
    if "vmap" not in expression:
        return False
    vmap = _part(expression, "vmap")
    if "set" not in _part(vmap, "data"):
        return True
    return any(
        "accept" in verdict and _fits({"op": "==", "left": vmap.get("key"), "right": value}, traffic)
        for value, verdict in _pairs(expression)
    )


def _fits(match: Json, traffic: Traffic) -> bool:
    """Whether new packets of this kind can pass a match; one that is not understood can be passed."""
    left, right = match.get("left"), match.get("right")
    found = _judge(left, list(_values(right)), traffic) if isinstance(left, dict) else None
    if found is None:
        return True
    return found != (match.get("op") == "!=")


def _judge(left: Json, values: list[Any], traffic: Traffic) -> bool | None:
    """Whether the traffic has one of these values; None when that is not known."""
    if any(isinstance(value, str) and value.startswith("@") for value in values):
        return None
    key = _part(left, "meta").get("key") or _part(left, "ct").get("key")
    payload = _part(left, "payload")
    if "ct" in left and key == "state":
        return "new" in values
    if key in ("iifname", "iif", "oifname", "oif"):
        return _has_interface(values, traffic.interfaces)
    if key == "l4proto" or (payload.get("field"), payload.get("protocol")) == ("protocol", "ip"):
        return not traffic.protocol or traffic.protocol in values
    if payload.get("field") in ("dport", "sport"):
        return _judge_port(payload, values, traffic)
    if payload.get("protocol") in ("icmp", "icmpv6", "ip6") or (key == "nfproto" and values == ["ipv6"]):
        return False
    return None


def _judge_port(payload: Json, values: list[Any], traffic: Traffic) -> bool:
    """Whether a match of ports is about this traffic; its source ports are any."""
    if payload.get("protocol") not in ("th", traffic.protocol) or payload.get("field") == "sport":
        return False
    return any(_holds(value, traffic.port) for value in values)


def _holds(value: Any, port: int) -> bool:
    if isinstance(value, dict) and isinstance(value.get("range"), list) and len(value["range"]) == 2:
        low, high = value["range"]
        return isinstance(low, int) and isinstance(high, int) and low <= port <= high
    return bool(value == port)


def _values(right: Any) -> Iterator[Any]:
    """The values of the right side of a match: one, a list or a set."""
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    if isinstance(right, list):
        yield from right
    else:
        yield right


def _has_interface(values: list[Any], interfaces: frozenset[str]) -> bool:
    patterns = [value for value in values if isinstance(value, str)]
    if not interfaces:
        return patterns != ["lo"]
    return any(fnmatch.fnmatchcase(name, pattern) for name in interfaces for pattern in patterns)


def _is_reverse_path(rule: Json) -> bool:
    expressions = _expressions(rule)
    return any("drop" in each for each in expressions) and any(_is_missing_route(each) for each in expressions)


def _is_missing_route(expression: Json) -> bool:
    match = _part(expression, "match")
    fib = _part(_part(match, "left"), "fib")
    flags = fib.get("flags")
    missing = match.get("right") in (False, 0, "0") and match.get("op") == "=="
    strict = isinstance(flags, list) and all(flag in flags for flag in _SOURCE_HERE)
    return fib.get("result") in ("oif", "oifname") and missing and strict


def _version_fits(rule: Json, versions: frozenset[int]) -> bool:
    """Whether a rule is about a version of IP that is carried."""
    ours = {"ip": {4}, "ip6": {6}}.get(str(rule.get("family")), {4, 6})
    for expression in _expressions(rule):
        match = _part(expression, "match")
        if _part(_part(match, "left"), "meta").get("key") == "nfproto":
            ours = ours & ({4} if match.get("right") == "ipv4" else {6})
    return bool(ours & (versions or {4}))


def _interface_fits(rule: Json, interfaces: frozenset[str]) -> bool:
    traffic = Traffic("", interfaces=interfaces)
    matches = [_part(each, "match") for each in _expressions(rule)]
    about = [match for match in matches if _part(_part(match, "left"), "meta").get("key") in ("iifname", "iif")]
    return all(_fits(match, traffic) for match in about)
