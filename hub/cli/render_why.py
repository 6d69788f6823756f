"""The explanation of one branch as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text
from rich.tree import Tree

from hub.cli.durations import ago, day_and_time, round_trip
from hub.cli.render_overrides import override_words
from hub.cli.screen import Parts
from policies.model.announcement import HIGHEST_MED

Report = Mapping[str, Any]


def why_view(report: Report) -> Tree:
    """Observations, ranking, what was told, what is used, heard and forwarded, and what comes next."""
    on, since = report["on"] or "no tunnel", report["since"]
    when = f" since {_clock(since)}{_zone(since)} ({ago(since['ago'])})" if since is not None else ""
    detail = f" ({report['detail']})" if report["detail"] else ""
    tree = Tree(_text(f"{report['branch']} -> {on}{when}: {report['reason']}{detail}"), guide_style="dim")
    for tunnel in report["tunnels"]:
        _add_tunnel(tree, tunnel)
    _add_ranking(tree, report)
    tree.add(_line("told", _told(report)))
    tree.add(_line("uses", _uses(report)))
    for heard in report["hears"]:
        tree.add(_line("hears", f"{heard['prefix']} by {'; by '.join(_by(one) for one in heard['by'])}"))
    for tunnel in report["tunnels"]:
        for reason, count in tunnel.get("refused", {}).items():
            routes = "1 route" if count == 1 else f"{count} routes"
            tree.add(_line("refuses", f"{routes} by {tunnel['tunnel']}: {reason}"))
    if not report["hears"]:
        tree.add(_line("hears", "nothing yet"))
    for target in report.get("targets", ()):
        tree.add(_line("targets" if not target["custom"] else "checks", _target(target)))
    for forwarding in report["kernel"]:
        tree.add(_line("kernel", _kernel(forwarding, report)))
    tree.add(_line("next", _next(report)))
    return tree


def _add_ranking(tree: Tree, report: Report) -> None:
    """The order of the tunnels, and by what: policy, rules, and what operators said."""
    places = "   ".join(f"{n} {p['tunnel']} ({p['is']})" for n, p in enumerate(report["ranking"], 1))
    rule = f", rule {report['rule']}" if report.get("rule") else ""
    tree.add(_line("ranking", f"{places}   policy {report['policy']}{rule}"))
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
    state += [_text(f"rtt {round_trip(tunnel['rtt_ms'])}")] if tunnel["rtt_ms"] is not None else []
    node = tree.add(Parts(state))
    session = tunnel["session_since"]
    for_how_long = f" {ago(session['ago'])}" if session is not None else ""
    because = f" ({tunnel['session_reason']})" if tunnel["session_reason"] else ""
    metered = ", metered" if tunnel["metered"] else ""
    facts = [
        f"since {_clock(tunnel['since'])}" if tunnel["since"] is not None else "",
        f"BGP {tunnel['session']}{for_how_long}{because}",
        tunnel["interface"],
        f"{tunnel['kind']} of {tunnel['isp']}{metered} to {tunnel['hub_uplink']}",
    ]
    node.add(Parts(_text(fact) for fact in facts if fact))
    for fact in (_health(tunnel), _handshake(tunnel.get("wg")), _path_mtu(tunnel.get("mtu"))):
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
        f"; not returned to for another {ago(-held['ago'])}: it came and went too often" if held is not None else ""
    )
    return f"{verdict}{'; ' if figures else ''}{' · '.join(figures)}{damped}"


def _handshake(peer: Report | None) -> str:
    if peer is None:
        return ""
    when, endpoint = peer["handshake"], peer["endpoint"]
    shook = "no handshake yet" if when is None else f"handshake {ago(when['ago'])} ago"
    return f"{shook} from {endpoint}" if endpoint is not None else shook


def _path_mtu(mtu: Report | None) -> str:
    if mtu is None:
        return ""
    if mtu["ok"] is None:
        return f"whether packets of {mtu['size']} bytes pass is not known"
    if mtu["ok"]:
        return f"packets of {mtu['size']} bytes pass"
    works = f", {mtu['works']} do" if mtu["works"] is not None else ""
    return f"packets of {mtu['size']} bytes do not pass{works}"


def _told(report: Report) -> str:
    said = []
    for tunnel in report["tunnels"]:
        if tunnel["med"] is None:
            continue
        mark = " (survivor)" if report["survivor"] and tunnel["tunnel"] == report["chosen"] else ""
        changing = (
            "" if tunnel["med_wanted"] in (None, tunnel["med"]) else f", to be {_value(report, tunnel['med_wanted'])}"
        )
        said.append(
            f"{tunnel['tunnel']}: {', '.join(tunnel['announced'])} {_value(report, tunnel['med'])}{mark}{changing}"
        )
    return "; ".join(said) or "nothing: no session is up"


def _value(report: Report, med: int) -> str:
    """What the branch compares: the lowest MED wins, or with iBGP the highest local preference."""
    return f"local preference {HIGHEST_MED - med}" if report.get("bgp") == "ibgp" else f"med {med}"


def _uses(report: Report) -> str:
    uses = report["uses"]
    if uses is None:
        return "not seen: no return-path probe was answered"
    both = "both ways" if uses["tunnel"] == report["on"] else "from the branch; the hub sends the other way"
    return f"{uses['tunnel']}, {both} (return-path probe {uses['seen']['ago']:.1f} s ago)"


def _by(one: Report) -> str:
    if not one["held"]:
        return str(one["tunnel"])
    since = f" {ago(one['held_since']['ago'])}" if one["held_since"] is not None else ""
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


def _kernel(forwarding: Report, report: Report) -> str:
    interfaces = {t["tunnel"]: t["interface"] for t in report["tunnels"]}
    active = forwarding["active"].partition("/")[2] if forwarding["active"] is not None else None
    out = f"{active} ({interfaces.get(active, '?')})" if active is not None else "unreachable"
    return f"{', '.join(forwarding['prefixes'])} -> class {forwarding['class']} -> {out}   epoch {forwarding['epoch']}"


def _next(report: Report) -> str:
    following = report["next"]
    if following is None:
        return "nothing is due"
    return f"{following['what']}: not before {following['at'][11:19]}{_zone(following)}"


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
