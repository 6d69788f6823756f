"""The status report as a screen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hub.cli.durations import day_and_time, round_trip
from hub.cli.not_there import NEVER_CONNECTED, awaits_router, end_missing, hindrance, is_new, router_mend
from hub.cli.render_configuration import configuration_line
from hub.cli.render_overrides import override_words
from hub.cli.screen import Parts
from policies.lengths import spoken

Report = Mapping[str, Any]

_SHOWN = 5
_UPLINK_WORDS = {"up": "up", "out": "OUT", "unknown": "not known"}


def status_view(report: Report, lab: str | None = None) -> RenderableType:
    """The screen for a controller's report, or for what the forwarder alone knows; `lab` is the lab that it is of."""
    if report.get("controller") is False:
        return _forwarder_view(report, lab)
    hub = f"hub {report['hub']} of {report['network']}, {report['config']}"
    where = f"{hub} · lab {lab}" if lab is not None else hub
    heads = (Text(text, overflow="fold") for text in (_headline(report), where))
    said = configuration_line(report.get("configuration"))
    pending = [Text(said, style="yellow", overflow="fold")] if said is not None else []
    said_too = [Text(words, style="cyan", overflow="fold") for words in _said(report["branches"])]
    return Group(*heads, *pending, *said_too, _table(report["branches"]), *_problems(report))


def _headline(report: Report) -> str:
    branches = report["branches"]
    preferred = sum(1 for b in branches if b["on"] is not None and b["on"] == b["preferred"])
    moved = sum(1 for b in branches if b["on"] is not None and b["on"] != b["preferred"])
    cut_off = [b["branch"] for b in branches if not b["reachable"] and not is_new(b)]
    new = sum(1 for b in branches if not b["reachable"] and awaits_router(b))
    nowhere = len(branches) - preferred - moved - len(cut_off) - new
    parts = [f"{len(branches)} branch{'' if len(branches) == 1 else 'es'}: {preferred} on their preferred tunnel"]
    parts += [f"{moved} moved"] if moved else []
    parts += [f"{nowhere} on none"] if nowhere else []
    parts += [f"{new} never connected"] if new else []
    lost = (b for b in branches if not is_new(b))
    down = [f"{b['branch']}/{t['tunnel']}" for b in lost for t in b["tunnels"] if t["liveness"] == "down"]
    text = ", ".join(parts)
    if cut_off:
        text = f"UNREACHABLE: {', '.join(cut_off)} · {text}"
    if down:
        named = ", ".join(down[:4]) + (f" and {len(down) - 4} more" if len(down) > 4 else "")
        text += f" · {len(down)} down: {named}"
    return text + _uplinks(report.get("uplinks", ()))


def _said(branches: Iterable[Report]) -> Iterable[str]:
    """What operators said that no tunnel's place tells: what is frozen, and which branches are switched."""
    every = {said["number"]: said for branch in branches for said in branch.get("overrides", ())}
    shown = [every[number] for number in sorted(every) if every[number]["kind"] in ("freeze", "switch")]
    yield from (override_words(said) for said in shown[:_SHOWN])
    if len(shown) > _SHOWN:
        yield f"and {len(shown) - _SHOWN} more: pointsman overrides"


def _uplinks(uplinks: Iterable[Report]) -> str:
    """` · hub telkom up, biznet up`: those that external targets tell of."""
    known = [f"{uplink['uplink']} {_UPLINK_WORDS[uplink['is']]}" for uplink in uplinks if uplink["is"] is not None]
    return f" · hub {', '.join(known)}" if known else ""


def _table(branches: Iterable[Report]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in ("BRANCH", "ON", "SINCE", "BRANCH SENDS BY", "TUNNELS"):
        table.add_column(column, no_wrap=column != "TUNNELS")
    for branch in branches:
        table.add_row(branch["branch"], _on(branch), _since(branch), _uses(branch), _tunnels(branch))
    return table


def _on(branch: Report) -> Text:
    if branch["on"] is None:
        return Text("none yet", style="yellow") if is_new(branch) else Text("none", style="red")
    return Text(branch["on"], style="" if branch["on"] == branch["preferred"] else "yellow")


def _since(branch: Report) -> str:
    return spoken(branch["since"]["ago"], units=1) if branch["since"] is not None else ""


def _uses(branch: Report) -> Text:
    uses = branch["uses"]
    if uses is None or uses["seen"]["ago"] > 5:
        return Text("not seen", style="dim")
    return Text(uses["tunnel"], style="" if uses["tunnel"] == branch["on"] else "yellow")


def _tunnels(branch: Report) -> Parts:
    tunnels = branch["tunnels"]
    if not is_new(branch):
        return Parts(_tunnel(tunnel) for tunnel in tunnels)
    hindered = [_not_there(tunnel) for tunnel in tunnels if end_missing(tunnel) is not None]
    if not awaits_router(branch):
        return Parts(hindered)
    return Parts((*hindered, Text(f"{NEVER_CONNECTED}: {router_mend(branch)}", style="yellow")))


def _not_there(tunnel: Report) -> Text:
    """That the hub's end of a tunnel is not there."""
    if hindrance(tunnel) is not None:
        return _tunnel(tunnel)
    return Text(tunnel["interface_fault"]["text"], style="red")


def _tunnel(tunnel: Report) -> Text:
    name = tunnel["tunnel"]
    if hindrance(tunnel) is not None:
        return Text(f"{name} not made", style="red")
    if tunnel.get("drained") is not None:
        return _drained(tunnel)
    if tunnel["liveness"] == "down":
        return Text(f"{name} down {spoken(tunnel['since']['ago'], units=1)}", style="red")
    if tunnel["liveness"] == "unknown":
        return Text(f"{name} not known yet", style="dim")
    health = tunnel.get("health")
    measured = (health["rtt_ms"] if health is not None else None) or tunnel["rtt_ms"]
    rtt = f" {round_trip(measured)}" if measured is not None else " up"
    bgp = "" if tunnel["session"] == "up" else " (no BGP session)"
    loss = health["loss"] if health is not None else None
    lost = f" {loss * 100:.1f} %" if loss else ""
    bad = " degraded" if health is not None and health["state"] == "degraded" else ""
    return Text(f"{name}{bad}{rtt}{lost}{bgp}", style="yellow" if bgp or bad else "")


def _drained(tunnel: Report) -> Text:
    """Out of service because somebody said so: whether it lives comes second."""
    until = tunnel["drained"]["until"]
    down = f"; down {spoken(tunnel['since']['ago'], units=1)}" if tunnel["liveness"] == "down" else ""
    return Text(f"{tunnel['tunnel']} drained{f' until {day_and_time(until)}' if until else ''}{down}", style="cyan")


def _problems(report: Report) -> Iterable[RenderableType]:
    for problem in report["problems"]:
        yield Text(f"! {problem['text']}", style="red")
        if problem["mend"]:
            yield Text(f"    mend: {problem['mend']}")
    if report.get("refused"):
        last = report["refused"][-1]
        count = len(report["refused"])
        yield Text(
            f"{count} routes refused; the last: {last['prefix']} by {last['tunnel']}: {last['reason']}", style="yellow"
        )


def _forwarder_view(snapshot: Report, lab: str | None) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in ("CLASS", "ON", "SINCE", "TUNNELS"):
        table.add_column(column)
    now = time.monotonic()
    states = {tunnel["tunnel"]: tunnel for tunnel in snapshot["tunnels"]}
    for one in snapshot["classes"]:
        on = one["active"].partition("/")[2] if one["active"] is not None else "none"
        tunnels = Parts(
            Text(f"{name.partition('/')[2]} {states[name]['state'] if name in states else '?'}")
            for name in one["order"]
        )
        table.add_row(one["name"], on, spoken(now - one["since"], units=1), tunnels)
    why = "the controller does not answer" if snapshot.get("busy") else "no controller is running"
    note = Text(f"{why}: this is what the forwarder knows; tunnels still fail over", style="yellow")
    where = [Text(f"lab {lab}")] if lab is not None else []
    return Group(note, *where, table, *_problems(snapshot))
