"""`why` of one prefix: the report of a branch, limited to the traffic from a prefix of the hub, or to one of its own.

Pure: the whole report in, a smaller one out.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from hub.controller.report import Report, verdict_report
from hub.source_priorities import priority_of
from policies.announced import announced_to
from policies.forwarding import carrying
from policies.model.clock import Now
from policies.model.ids import Prefix, lies_within
from policies.model.intent import Branch, Hub
from policies.model.verdicts import Verdict
from policies.model.view import View
from policies.steering import named_by_rules

_NEAR = 3


class UnknownPrefixError(Exception):
    """What was asked for is no prefix, or none that is steered here. The text has the near ones."""


def read_prefix(text: str) -> Prefix:
    """A prefix, or an address.

    Raises:
        UnknownPrefixError: it is neither.
    """
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise UnknownPrefixError(f'"{text[:60]}" is no prefix: write one, as 10.0.10.0/24, or an address') from None


def limited(
    report: Report, asked: Prefix, hub: Hub, branch: Branch, view: View, verdict: Verdict | None, now: Now
) -> Report:
    """The report on a branch, limited to what concerns this prefix.

    Raises:
        UnknownPrefixError: neither the hub announces it to the branch, nor is it the branch's.
    """
    heard = {prefix for tunnel in branch.tunnels for prefix in view.session_of(tunnel.id).heard}
    own = _longest(asked, (*branch.prefixes, *(p for p in heard if lies_within(p, branch.prefixes))))
    if own is not None:
        return _to_branch(report, asked, own)
    told = (*announced_to(hub, branch), *named_by_rules(branch))
    known = _longest(asked, told)
    if known is None:
        raise UnknownPrefixError(_unknown(asked, branch, (*told, *branch.prefixes)))
    return _from_hub(report, asked, known, branch, view, verdict, now)


def _to_branch(report: Report, asked: Prefix, own: Prefix) -> Report:
    """What goes to the branch's prefix: by every class that has it, of whatever source."""
    kernel = [one for one in report["kernel"] if any(lies_within(asked, (ip_network(p),)) for p in one["prefixes"])]
    main = next((one for one in kernel if not one["from"]), None)
    on = main["active"].partition("/")[2] if main is not None and main["active"] is not None else None
    return {
        **report,
        "on": on if report["reachable"] else None,
        "since": main["since"] if main is not None else None,
        "kernel": kernel,
        "hears": [heard for heard in report["hears"] if lies_within(asked, (ip_network(heard["prefix"]),))],
        "prefix": {"asked": _shown(asked), "side": "branch", "is": str(own), "from": [], "lookup": []},
    }


def _from_hub(
    report: Report, asked: Prefix, known: Prefix, branch: Branch, view: View, verdict: Verdict | None, now: Now
) -> Report:
    """What is with the hub's prefix: as its rule steers it, or as all else."""
    source = _longest(asked, named_by_rules(branch))
    sources = (source,) if source is not None else ()
    of = next((one for one in (verdict, *verdict.others) if one.sources == sources), None) if verdict else None
    own = carrying(branch, view, sources)
    steered = verdict_report(of, own or carrying(branch, view), now)
    names = [str(one) for one in sources]
    return {
        **report,
        **steered,
        "on": steered["on"] if report["reachable"] else None,
        "by_hub_prefix": [],
        "tunnels": [
            {**tunnel, "told": [one for one in tunnel["told"] if one["prefix"] == str(known)]}
            for tunnel in report["tunnels"]
        ],
        "kernel": [one for one in report["kernel"] if one["from"] == (names if own is not None else [])],
        "off_preferred": [one for one in report["off_preferred"] if one["from"] in (names, [])],
        "prefix": {
            "asked": _shown(asked),
            "side": "hub",
            "is": str(known),
            "from": names,
            "lookup": [_lookup(one) for one in sources],
        },
    }


def _lookup(source: Prefix) -> str:
    priority = priority_of(source.prefixlen, source.max_prefixlen)
    family = "-6 " if source.version == 6 else ""
    return f"ip {family}rule {priority}: from {source} (a table of its own)"


def _longest(asked: Prefix, among: Iterable[Prefix]) -> Prefix | None:
    around = [prefix for prefix in among if lies_within(asked, (prefix,))]
    return max(around, key=lambda prefix: prefix.prefixlen, default=None)


def _unknown(asked: Prefix, branch: Branch, known: Iterable[Prefix]) -> str:
    every = list(dict.fromkeys(known))
    inside = [prefix for prefix in every if lies_within(prefix, (asked,))]
    near = sorted(every, key=lambda prefix: (prefix.version != asked.version, -_common(prefix, asked), str(prefix)))
    names = ", ".join(str(prefix) for prefix in (inside or near)[:_NEAR])
    what = "is wider than what is steered" if inside else "is neither the branch's nor one that the hub tells it of"
    return f"{_shown(asked)} {what} at {branch.name}: {'ask for one of' if inside else 'near are'} {names or 'none'}"


def _shown(prefix: Prefix) -> str:
    return str(prefix.network_address) if prefix.prefixlen == prefix.max_prefixlen else str(prefix)


def _common(one: Prefix, other: Prefix) -> int:
    """How many bits they begin with alike."""
    if one.version != other.version:
        return -1
    length = min(one.prefixlen, other.prefixlen)
    difference = int(one.network_address) ^ int(other.network_address)
    return min(length, one.max_prefixlen - difference.bit_length())
