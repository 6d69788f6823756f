"""changes: what differs between two configurations, in the operator's words. Pure; it judges nothing."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import timedelta

from policies.figures import size_words
from policies.model.as_numbers import SharedFateSigns
from policies.model.guards import Guards
from policies.model.intent import Branch, Hub, LivenessTimers, Tunnel
from policies.model.policy import Policy
from policies.model.targets import Check, DnsQuery, HttpGet, Ping, Run, TcpConnect, Via
from policies.policy_words import announce_facts, damping_words, limit_facts, policy_facts, rule_names

_SIGNED_BY = "session password"
_SORTS = {Ping: "icmp", TcpConnect: "tcp", HttpGet: "http", DnsQuery: "dns", Run: "runs"}


@dataclass(frozen=True, slots=True)
class Change:
    """A Change is one thing that differs: what it was and what it becomes, None where it was not or will not be."""

    what: str
    was: str | None
    now: str | None


def hub_changes(before: Hub, after: Hub) -> tuple[Change, ...]:
    """What differs at the headquarters."""
    return _differing(_hub(before), _hub(after))


def guard_changes(before: Guards, after: Guards) -> tuple[Change, ...]:
    """What differs in how much an apply may do."""
    return _differing(_guards(before), _guards(after))


def sign_changes(before: SharedFateSigns, after: SharedFateSigns) -> tuple[Change, ...]:
    """What differs in what tunnels that share their fate are found by."""
    return _differing(_signs(before), _signs(after))


def branch_changes(before: Branch, after: Branch) -> tuple[Change, ...]:
    """What differs in a branch and its tunnels, beside its policy; a tunnel that comes or goes is one change."""
    stays = {tunnel.id.name for tunnel in before.tunnels} & {tunnel.id.name for tunnel in after.tunnels}
    was, now = _branch(before, stays), _branch(after, stays)
    if before.session.password_digest != after.session.password_digest and was[_SIGNED_BY] == now[_SIGNED_BY]:
        now[_SIGNED_BY] += " with a new text"
    return _differing(was, now)


def policy_changes(before: Policy, after: Policy) -> tuple[Change, ...]:
    """What differs in how a branch's tunnels are ranked, judged, announced and returned to."""
    if before == after:
        return ()
    was, now = policy_facts(before), policy_facts(after)
    _note_order(before, after, was, now)
    return _differing(was, now)


def program_changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """The scripts and files of checks that come, go or have another text, by path: what was and becomes are digests."""
    return _differing(before, after)


def _signs(signs: SharedFateSigns) -> dict[str, str]:
    table = signs.as_numbers
    numbers = {"AS numbers": f"{table.entries} prefixes ({table.digest[:8]})"} if table.digest else {}
    return {"paths of shared-fate": "on" if signs.paths else "off", **numbers}


def _note_order(before: Policy, after: Policy, was: dict[str, str], now: dict[str, str]) -> None:
    """The same rules in another order are a change; where one comes or goes, that says it."""
    first, then = rule_names(before), rule_names(after)
    if sorted(first) == sorted(then):
        was["order of rules"], now["order of rules"] = ", ".join(first), ", ".join(then)


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(what, before.get(what), after.get(what))
        for what in dict.fromkeys((*before, *after))
        if before.get(what) != after.get(what)
    )


def _guards(guards: Guards) -> dict[str, str]:
    most = guards.max_metered
    return {
        "guard max-moves": str(guards.max_moves or "off"),
        "guard max-one-path": str(guards.max_one_path or "off"),
        "guard max-metered": "off" if most is None else f"{size_words(most)} a day",
    }


def _hub(hub: Hub) -> dict[str, str]:
    facts = {"name": hub.name, "as": str(hub.asn), "router-id": str(hub.router_id)}
    facts |= {f"prefix {prefix}": "announced" for prefix in hub.prefixes}
    facts |= {f"between branches {prefix}": "announced" for prefix in hub.between_branches}
    for name, uplink in hub.uplinks.items():
        facts[f"uplink {name}"] = _words(uplink.isp, uplink.interface, uplink.endpoint)
        if uplink.targets:
            names = ", ".join(check.name for check in uplink.targets)
            facts[f"uplink {name}: targets"] = f"{names}; out when {uplink.quorum} are silent"
    return facts


def _branch(branch: Branch, described: Container[str]) -> dict[str, str]:
    facts = {
        "as": str(branch.asn),
        "bgp": branch.session.kind.value,
        _SIGNED_BY: branch.session.password_file or "none",
        "ttl-security": "yes" if branch.session.ttl_security else "no",
        "router-id": str(branch.router_id),
        "mode": branch.mode.value,
        "timezone": branch.timezone,
        "prefix-limit": str(branch.prefix_limit),
        "router": branch.router.value if branch.router is not None else "not said",
    }
    facts |= {f"prefix {prefix}": "forwarded" for prefix in branch.prefixes}
    facts |= {f"{_sort(check)} {check.name}": _asked(check) for check in branch.targets}
    for tunnel in branch.tunnels:
        name = tunnel.id.name
        facts[f"tunnel {name}"] = f"over {tunnel.uplink.name} to {tunnel.hub_uplink.name}"
        if name in described:
            facts |= {f"{name}: {what}": said for what, said in _tunnel(tunnel).items()}
    return facts


def _tunnel(tunnel: Tunnel) -> dict[str, str]:
    link, uplink = tunnel.link, tunnel.uplink
    cost = None if uplink.cost is None else f"cost {uplink.cost:g}"
    facts = {
        "uplink": _words(uplink.isp, uplink.kind, "metered" if uplink.metered else None, cost),
        "link": f"{link.hub}/31",
        "link-ipv6": f"{link.hub6}/127" if link.hub6 is not None else "none",
        "port": str(tunnel.port),
        "interface": tunnel.interface,
        "liveness": _timers(tunnel.liveness.active),
        "ExaBGP process": str(tunnel.process),
    }
    if tunnel.liveness.idle != tunnel.liveness.active:
        facts["liveness when idle"] = _timers(tunnel.liveness.idle)
    if tunnel.liveness.probe is not None:
        rate = tunnel.liveness.probe
        facts["health probes"] = f"every {_milliseconds(rate.active)}, every {_milliseconds(rate.idle)} when idle"
    if tunnel.limits is not None:
        facts |= {f"health {what}": said for what, said in limit_facts(tunnel.limits).items()}
    if tunnel.announce is not None:
        facts |= announce_facts(tunnel.announce)
    if tunnel.damping is not None:
        facts["damping"] = damping_words(None if tunnel.damping == "off" else tunnel.damping)
    facts["late packets"] = "confirmed" if tunnel.liveness.confirm else "waited for"
    facts["echo beside BFD"] = "yes" if tunnel.liveness.echo else "no"
    return facts


def _sort(check: Check) -> str:
    return "check" if isinstance(check.question, Run) else "target"


def _asked(check: Check) -> str:
    timing, question = check.timing, check.question
    expect = f", expect {question.expect}" if isinstance(question, HttpGet) else ""
    every = f"every {timing.interval.total_seconds():g} s for {timing.timeout.total_seconds():g} s at most"
    by = "each tunnel" if check.via is Via.EACH else "the tunnel in use"
    return f"{_SORTS[type(question)]} {question}{expect} {every}, fall {timing.fall}, rise {timing.rise}, by {by}"


def _timers(timers: LivenessTimers) -> str:
    return f"{timers.method.value} {_milliseconds(timers.interval)} x {timers.multiplier}"


def _milliseconds(interval: timedelta) -> str:
    return f"{interval.total_seconds() * 1000:g} ms"


def _words(*words: str | None) -> str:
    return ", ".join(word for word in words if word)
