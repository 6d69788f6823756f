"""The explanation of one branch as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text
from rich.tree import Tree

from hub.cli.durations import day_and_time, round_trip
from hub.cli.not_there import NEVER_CONNECTED, awaits_router, end_missing, router_mend
from hub.cli.render_overrides import override_words
from hub.cli.render_sa import sa_words
from hub.cli.screen import Parts
from policies.lengths import in_seconds, spoken
from policies.model.announcement import HIGHEST_MED

Report = Mapping[str, Any]


def why_view(report: Report) -> Tree:
    """Observations, ranking, what was told, what is used, heard and forwarded, and what comes next."""
    on, since = report["on"] or "no tunnel", report["since"]
    when = f" since {_clock(since)}{_zone(since)} ({spoken(since['ago'])})" if since is not None else ""
    detail = f" ({report['detail']})" if report["detail"] else ""
    tree = Tree(_text(f"{_what(report)} -> {on}{when}: {report['reason']}{detail}"), guide_style="dim")
    if awaits_router(report):
        tree.add(_line("new", NEVER_CONNECTED)).add(_text(f"mend: {router_mend(report)}"))
    for tunnel in report["tunnels"]:
        _add_tunnel(tree, tunnel)
    for target in report.get("targets", ()):
        tree.add(_line("targets" if not target["custom"] else "checks", _target(target)))
    _add_ranking(tree, report)
    for off in report.get("off_preferred", ()):
        _add_off_preferred(tree, off)
    for shared in report.get("shared_fate", ()):
        tree.add(_line("shared", shared["text"])).add(_text(f"mend: {shared['mend']}"))
    heads = {"told": _told, "uses": _uses, "hears": _hears, "refuses": _refuses, "kernel": _kernel, "next": _next}
    for head, lines in heads.items():
        for line in lines(report):
            tree.add(_line(head, line))
    return tree


def _what(report: Report) -> str:
    """What the tree is of: the branch, or the traffic of one prefix."""
    of = report.get("prefix")
    if of is None:
        return str(report["branch"])
    way = "to" if of["side"] == "branch" else "from"
    inside = "" if of["is"] == of["asked"] else f", inside {of['is']}"
    by = ", steered by itself" if of["from"] else ""
    return f"{report['branch']}, traffic {way} {of['asked']}{inside}{by}"


def _add_off_preferred(tree: Tree, off: Report) -> None:
    whose = f"traffic from {', '.join(off['from'])} is " if off["from"] else ""
    later = f"a fault from {off['fault_at'][:16].replace('T', ' ')} on" if off["fault_at"] else "no fault"
    cost = f"; it costs {', '.join(off['cost'])}" if off["cost"] else ""
    kept = f"{whose}not on {off['better']}, which is well, for {spoken(off['since']['ago'])}: {off['because']}{cost}"
    node = tree.add(_line("off", f"{kept} ({'a fault' if off['fault'] else later})"))
    if off["mend"]:
        node.add(_text(f"mend: {off['mend']}"))


def _add_ranking(tree: Tree, report: Report) -> None:
    """The order of the tunnels, and by what: policy, rules, and what operators said."""
    places = "   ".join(f"{n} {p['tunnel']} ({p['is']})" for n, p in enumerate(report["ranking"], 1))
    rule = f", rule {report['rule']}" if report.get("rule") else ""
    preference = f": {', then '.join(report['preference'])}" if report.get("preference") else ""
    tree.add(_line("ranking", f"{places}   policy {report['policy']}{rule}{preference}"))
    for other in report.get("by_hub_prefix", ()):
        tree.add(_line("rule", _by_hub_prefix(other)))
    if report.get("mode", "act") != "act":
        tree.add(_line("mode", "observed only: what is decided here is not done"))
    for override in report.get("overrides", ()):
        tree.add(_line(override["kind"], override_words(override)))
    if report.get("failback_until") is not None:
        tree.add(_line("failback", f"asked for; the word counts until {day_and_time(report['failback_until'])}"))


def _add_tunnel(tree: Tree, tunnel: Report) -> None:
    state = [_line(tunnel["tunnel"], f"{tunnel['liveness']:<8} {tunnel['reason']}")]
    # Health's is the median of the last seconds; liveness's is smoothed over minutes, and said where there is no other.
    is_measured = (tunnel.get("health") or {}).get("rtt_ms") is not None
    state += [_text(f"rtt {round_trip(tunnel['rtt_ms'])}")] if tunnel["rtt_ms"] is not None and not is_measured else []
    node = tree.add(Parts(state))
    if (hindered := end_missing(tunnel)) is not None:
        node.add(_text(hindered[0])).add(_text(f"mend: {hindered[1]}"))
    session = tunnel["session_since"]
    for_how_long = f" {spoken(session['ago'])}" if session is not None else ""
    because = f" ({tunnel['session_reason']})" if tunnel["session_reason"] else ""
    metered = ", metered" if tunnel["metered"] else ""
    facts = [
        f"since {_clock(tunnel['since'])}" if tunnel["since"] is not None else "",
        f"BGP {tunnel['session']}{for_how_long}{because}",
        *((tunnel["trouble_of"]["text"],) if tunnel.get("trouble_of") is not None else ()),
        tunnel["interface"],
        f"{tunnel['kind']} of {tunnel['isp']}{metered} to {tunnel['hub_uplink']}",
    ]
    node.add(Parts(_text(fact) for fact in facts if fact))
    peer = (_handshake(tunnel.get("wg")), sa_words((tunnel.get("made") or {}).get("ipsec")))
    for fact in (_health(tunnel), _hints(tunnel), *peer, _path_mtu(tunnel.get("mtu"))):
        if fact:
            node.add(_text(fact))


def _by_hub_prefix(other: Report) -> str:
    """The traffic of a hub prefix that a rule names."""
    order = ", ".join(f"{place['tunnel']} ({place['is']})" for place in other["ranking"])
    rule = f"rule {other['rule']}" if other["rule"] else "no rule holds now"
    detail = f" ({other['detail']})" if other["detail"] else ""
    return (
        f"from {', '.join(other['from'])} -> {other['on'] or 'no tunnel'}: {other['reason']}{detail}; {rule}; {order}"
    )


def _health(tunnel: Report) -> str:
    """The figures of the last seconds, and what they come to where that is not simply well."""
    health = tunnel.get("health")
    if health is None or tunnel["liveness"] != "up":
        return ""
    figures = [f"loss {health['loss'] * 100:.1f} %"] if health["loss"] is not None else []
    if health["rtt_ms"] is not None:
        usual = f" (usual {round_trip(health['usual_rtt_ms'])})" if health["usual_rtt_ms"] is not None else ""
        figures.append(f"rtt {round_trip(health['rtt_ms'])}{usual}")
    if health["jitter_ms"] is not None:
        figures.append(f"jitter {round_trip(health['jitter_ms'])}")
    verdict = "healthy" if health["state"] == "up" else f"{health['state']}: {health['reason']}"
    held = health["suppressed_until"]
    damped = (
        f"; not returned to for another {spoken(-held['ago'])}: it came and went too often" if held is not None else ""
    )
    since = f"; so since {_clock(health['since'])}" if health["since"] is not None else ""
    return f"{verdict}{'; ' if figures else ''}{' · '.join(figures)}{since}{damped}"


def _hints(tunnel: Report) -> str:
    """What may explain the tunnel's state, with how long it is so."""
    hints = (tunnel.get("health") or {}).get("hints", ())
    return "; ".join(f"{hint['hint']} for {spoken(hint['since']['ago'])}" for hint in hints)


def _handshake(peer: Report | None) -> str:
    if peer is None:
        return ""
    when, endpoint = peer["handshake"], peer["endpoint"]
    shook = "no handshake yet" if when is None else f"handshake {spoken(when['ago'])} ago"
    moved = peer.get("roamed")
    before = f", for {spoken(moved['since']['ago'])}; before from {moved['from']}{_silent(moved)}" if moved else ""
    return f"{shook} from {endpoint}{before}" if endpoint is not None else shook


def _silent(moved: Report) -> str:
    gap = moved.get("gap")
    return f" ({in_seconds(gap)} without an answer in between)" if gap is not None else ""


def _path_mtu(mtu: Report | None) -> str:
    if mtu is None:
        return ""
    if mtu["ok"] is None:
        return f"whether packets of {mtu['size']} bytes pass is not known"
    if mtu["ok"]:
        return f"packets of {mtu['size']} bytes pass"
    works = f", {mtu['works']} do" if mtu["works"] is not None else ""
    return f"packets of {mtu['size']} bytes do not pass{works}"


def _told(report: Report) -> list[str]:
    """What each session was told, prefixes with the same value and marks together."""
    said = [line for tunnel in report["tunnels"] for line in _told_over(tunnel, report)]
    return said or ["nothing: no session is up"]


def _told_over(tunnel: Report, report: Report) -> Iterator[str]:
    together: dict[tuple[int, str], list[str]] = {}
    for one in tunnel.get("told", ()):
        marks = " ".join((*one["communities"], *one["large_communities"]))
        together.setdefault((one["med"], f" with {marks}" if marks else ""), []).append(one["prefix"])
    sent = f", sent {_clock(tunnel['told_at'])}" if tunnel.get("told_at") is not None else ""
    for (med, marks), prefixes in sorted(together.items()):
        wanted = tunnel["med_wanted"] if med == tunnel["med"] else None
        changing = f", to be {_value(report, wanted)}" if wanted not in (None, med) else ""
        survivor = _survivor(tunnel, report) if med == tunnel["med"] else ""
        yield f"{tunnel['tunnel']}: {', '.join(prefixes)} {_value(report, med)}{marks}{survivor}{changing}{sent}"


def _survivor(tunnel: Report, report: Report) -> str:
    """That it is told better than by its rank, and below what."""
    if not report["survivor"] or tunnel["tunnel"] != report["chosen"]:
        return ""
    held = [(t["held_med"], t["tunnel"]) for t in report["tunnels"] if t is not tunnel and t["held_med"] is not None]
    if not held:
        return " (survivor)"
    lowest, whose = min(held)
    better = "better than" if tunnel["med"] < lowest else "to be better than"
    return f" (survivor: {better} {whose}'s {_value(report, lowest)}, which it may still hold)"


def _value(report: Report, med: int) -> str:
    """What the branch compares: the lowest MED wins, or with iBGP the highest local preference."""
    return f"local preference {HIGHEST_MED - med}" if report.get("bgp") == "ibgp" else f"med {med}"


def _uses(report: Report) -> list[str]:
    uses = report["uses"]
    if (report.get("prefix") or {}).get("from"):
        return ["not watched: of the traffic that a rule steers by itself no return path is probed"]
    if uses is None:
        return ["not seen: no return-path probe was answered"]
    both = "both ways" if uses["tunnel"] == report["on"] else "from the branch; the hub sends the other way"
    since = f"; since {_clock(uses['since'])}" if uses.get("since") is not None else ""
    return [f"{uses['tunnel']}, {both} (return-path probe {uses['seen']['ago']:.1f} s ago{since})"]


def _hears(report: Report) -> list[str]:
    heard = [f"{one['prefix']} by {'; by '.join(_by(way) for way in one['by'])}" for one in report["hears"]]
    return heard or ["nothing yet"]


def _refuses(report: Report) -> list[str]:
    return [
        f"{'1 route' if count == 1 else f'{count} routes'} by {tunnel['tunnel']}: {reason}"
        for tunnel in report["tunnels"]
        for reason, count in tunnel.get("refused", {}).items()
    ]


def _by(one: Report) -> str:
    if not one["held"]:
        heard = one.get("since")
        return f"{one['tunnel']} {spoken(heard['ago'])}" if heard is not None else str(one["tunnel"])
    since = f" {spoken(one['held_since']['ago'])}" if one["held_since"] is not None else ""
    return f"{one['tunnel']} held{since}"


def _target(target: Report) -> str:
    """`erp 10.1.0.10:443 ok 12 ms by fiber, wireless`; where the tunnels differ, each of its own."""
    by: dict[str, list[Report]] = {}
    for way in target["by"]:
        by.setdefault(_found(way), []).append(way)
    said = "; ".join(f"{_timed(ways)}{_ways(ways)}" for ways in by.values())
    return f"{target['name']} {target['asks']} {said}"


def _found(way: Report) -> str:
    because = f" ({way['text']})" if way["text"] and (way["is"] != "ok" or way["rtt_ms"] is None) else ""
    return f"{way['is']}{because}"


def _timed(ways: Sequence[Report]) -> str:
    fastest = min((way["rtt_ms"] for way in ways if way["rtt_ms"] is not None), default=None)
    return _found(ways[0]) if fastest is None else f"{ways[0]['is']} {round_trip(fastest)}"


def _ways(ways: Sequence[Report]) -> str:
    names = ", ".join(way["tunnel"] for way in ways if way["tunnel"] is not None)
    return f" by {names}" if names else ""


def _kernel(report: Report) -> list[str]:
    lookups = (report.get("prefix") or {}).get("lookup", ())
    return [*lookups, *(_forwarding(one, report) for one in report["kernel"])]


def _forwarding(forwarding: Report, report: Report) -> str:
    interfaces = {t["tunnel"]: t["interface"] for t in report["tunnels"]}
    active = forwarding["active"].partition("/")[2] if forwarding["active"] is not None else None
    out = f"{active} ({interfaces.get(active, '?')})" if active is not None else "unreachable"
    since = f", since {_clock(forwarding['since'])}" + (f" ({forwarding['reason']})" if forwarding["reason"] else "")
    sources = f"from {', '.join(forwarding['from'])}: " if forwarding.get("from") else ""
    way = f"{', '.join(forwarding['prefixes'])} -> class {forwarding['class']} -> {out}"
    return f"{sources}{way}{since}   epoch {forwarding['epoch']}"


def _next(report: Report) -> list[str]:
    """What would change it: what a clock brings first, and then what only may happen."""
    ahead = report.get("outlook") or ([report["next"]] if report["next"] is not None else [])
    today = report.get("at")
    return [f"{one['what']}{_not_before(one['at'], today)}" for one in ahead] or ["nothing is due"]


def _not_before(at: str | None, today: str | None) -> str:
    """The time, with its date where that is not the report's."""
    if at is None:
        return ""
    day = f"{at[:10]} " if today is not None and at[:10] != today[:10] else ""
    return f": not before {day}{at[11:19]}{_zone({'at': at})}"


def _clock(moment: Report) -> str:
    return str(moment["at"][11:23])


def _zone(moment: Report) -> str:
    """` +07:00`: the network's time may not be the reader's."""
    offset = datetime.fromisoformat(moment["at"]).strftime("%z")
    return f" {offset[:3]}:{offset[3:5]}" if offset else ""


def _line(head: str, text: str) -> Text:
    return _text(f"{head:<10} {text}")


def _text(text: str) -> Text:
    return Text(text, overflow="fold")
