"""Tunnels, and what is planned and done to them, laid out for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from policies.figures import size_words
from policies.lengths import spoken

Report = Mapping[str, Any]
MOST_LINES = 40
"""Changes that are named one by one; a new hub has hundreds, and they are alike."""


def tunnel_plan_view(report: Report, *, alone: bool, proposal: bool = False) -> RenderableType:
    """What would be done; `alone`: nothing else is planned beside it. A `proposal` is not the hub's own files."""
    lines = list(_change_lines(report["changes"]))
    lines += [_refused(each) for each in report["refused"]]
    if not report["changes"] and alone and report["refused"]:
        lines.append(Text("nothing else would change"))
    elif not report["changes"] and alone:
        lines.append(Text("nothing would change: tunnels, uplinks and filters are as they should be"))
    if report["changes"] and alone:
        lines.append(Text(f"plan {report['id']}: {_count(report['changes'])}", style="bold"))
    if report["changes"] and alone and not proposal:
        lines.append(Text(f"do it:  pointsman apply {report['id']} --only tunnels"))
    return Group(*lines)


def tunnel_outcome_view(report: Report) -> RenderableType:
    """What was done."""
    lines = list(_change_lines(report["done"]))
    lines += [
        Text(f"{each['target']}: not done: {each['text']}: {each['error']}{_mend(each)}", style="red")
        for each in report["failed"]
    ]
    lines += [_refused(each) for each in report["refused"]]
    lines += [Text(problem, style="yellow") for problem in report["problems"]]
    amiss = report["failed"] or report["refused"]
    nothing = "nothing else had to change" if amiss else "nothing had to change"
    lines.append(Text(f"done: {_count(report['done'])}" if report["done"] else nothing))
    return Group(*lines)


def made_lines(changes: list[Report]) -> list[Text]:
    """What an apply did to tunnels, uplinks and the firewall; nothing where it did nothing."""
    if not changes:
        return []
    return [*_change_lines(changes), Text(f"tunnels, uplinks and firewall: {_count(changes)}")]


def tunnels_view(report: Report) -> RenderableType:
    """All tunnels, one a line, and what is amiss."""
    targets = report["targets"]
    tunnels = {name: facts for name, facts in sorted(targets.items()) if "interface" in facts}
    if report["network"] is None:
        return Text('nothing was made here yet: "pointsman plan --only tunnels" shows what would be')
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in ("TUNNEL", "INTERFACE", "MADE OF", "UPLINK", "FAR END", "ALIVE", "IN", "OUT", "KEYS"):
        table.add_column(column, no_wrap=column in ("TUNNEL", "INTERFACE"), overflow="fold")
    for name, facts in tunnels.items():
        table.add_row(*(Text(cell) for cell in (name, *_cells(facts))))
    lines: list[RenderableType] = [table]
    lines += [_refused(each) for each in report["refused"]]
    for each in report["findings"]:
        done = " (put right)" if each["repaired"] else _mend(each)
        lines.append(Text(f"{each['target']}: {each['text']}{done}", style="yellow"))
    lines += [Text(f"{each['target']}: {each['error']}{_mend(each)}", style="red") for each in report["failed"]]
    return Group(*lines)


def _cells(facts: Report) -> tuple[str, ...]:
    sa = facts.get("ipsec")
    if sa is not None:
        return (facts["interface"], "IPsec", facts.get("uplink", ""), *_sa_cells(sa), "")
    alive = facts.get("handshake_age")
    return (
        facts["interface"],
        facts.get("made_by", ""),
        facts.get("uplink", ""),
        facts.get("endpoint") or "not seen yet",
        "no handshake yet" if alive is None else f"handshake {spoken(alive)} ago",
        _size(facts.get("received")),
        _size(facts.get("sent")),
        _days(facts.get("key_age")),
    )


def _sa_cells(sa: Report) -> tuple[str, ...]:
    """The far end, what there is of SAs or why there is none, and the bytes of both ways."""
    child, failure = sa["child"], sa.get("failure")
    why = f": {failure['reason']}" if failure is not None else ""
    if sa["state"] == "down":
        return ("not seen yet", f"no SA{why}", "", "")
    if child is None:
        return (sa["remote"], f"IKE {sa['state']}, no child SA{why}", "", "")
    return (sa["remote"], f"SA {child['state']}", _size(child["bytes_in"]), _size(child["bytes_out"]))


def _size(octets: float | None) -> str:
    return "" if octets is None else size_words(octets)


def _days(seconds: float | None) -> str:
    return "" if seconds is None else f"{spoken(seconds, 1)} old"


def _change_lines(changes: list[Report]) -> Iterator[Text]:
    width = max((len(change["target"]) for change in changes[:MOST_LINES]), default=0)
    for change in changes[:MOST_LINES]:
        mark, style = ("- ", "red") if change["removes"] else ("+ ", "green")
        yield Text.assemble((f"{mark}{change['target']:{width}}", style), "  ", change["text"])
    if len(changes) > MOST_LINES:
        yield Text(f"  and {len(changes) - MOST_LINES} more: --json has them all")


def _refused(each: Report) -> Text:
    return Text(f"{each['target']}: not touched: {each['text']}{_mend(each)}", style="yellow")


def _mend(each: Report) -> str:
    return f"\n    mend: {each['mend']}" if each.get("mend") else ""


def _count(changes: list[Report]) -> str:
    removed = sum(change["removes"] for change in changes)
    made = len(changes) - removed
    words = [f"{made} change{'s' * (made != 1)}"] if made else []
    return ", ".join([*words, *([f"{removed} removal{'s' * (removed != 1)}"] if removed else [])])
