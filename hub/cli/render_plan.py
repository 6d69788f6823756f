"""A plan, and its apply, laid out for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

Report = Mapping[str, Any]

_MARKS = {"added": ("+ ", "green"), "removed": ("- ", "red"), "changed": ("  ", "")}


def plan_view(report: Report, *, proposal: bool) -> RenderableType:
    """What would happen, and how to do it; a `proposal` is a directory that is not the hub's own."""
    if report["empty"]:
        stays = "stays as it is" if report["unchanged"] == 1 else "stay as they are"
        return Text(f"nothing would change: {_branches(report['unchanged'])} {stays}")
    lines = [*_lines(report), Text(f"plan {report['id']}: {_summary(report['totals'])}", style="bold")]
    lines += [Text(f"guard: {guard}", style="red") for guard in report["guards"]]
    if not proposal:
        force = " --force" if report["guards"] else ""
        lines.append(Text(f"do it:  pointsman apply {report['id']}{force}"))
    return Group(*lines)


def applied_view(report: Report) -> RenderableType:
    """How an apply ended."""
    planned = report["plan"]
    if planned["empty"]:
        return Text("nothing had to change")
    lines = [Text(f"{planned['id']} is in force: {_summary(planned['totals'])}")]
    lines += [
        Text(f"{tunnel} still carries its branch: it goes as soon as another tunnel can (pointsman why)", "yellow")
        for tunnel in report["waiting"]
    ]
    return Group(*lines, *(Text(f"problem: {problem}", "red") for problem in report["problems"]))


def _lines(report: Report) -> Iterator[Text]:
    for change in report["hub"]:
        yield Text(f"  hub  {_change(change)}")
    width = max((len(branch["branch"]) for branch in report["branches"]), default=0)
    for branch in report["branches"]:
        mark, style = _MARKS[branch["is"]]
        parts = list(_parts(branch)) or ["no other tunnel, no other session"]
        for number, part in enumerate(parts):
            head = f"{mark}{branch['branch']:{width}}" if number == 0 else " " * (width + 2)
            yield Text.assemble((head, style), "  ", part)
    if report["unchanged"]:
        yield Text(f"  {_branches(report['unchanged'])} unchanged")


def _parts(branch: Report) -> Iterator[str]:
    if branch["is"] == "added":
        yield f"{_count(len(branch['sessions_opened']), 'session')} opened; it is served once its router connects"
        return
    if branch["is"] == "removed":
        yield f"withdrawn from, {_count(len(branch['sessions_closed']), 'session')} closed, no longer forwarded to"
        return
    if branch["to"] is not None:
        metered = ", which is metered" if branch["to_metered"] else ""
        yield f"{branch['on'] or 'no tunnel'} -> {branch['to']}{metered}"
    if branch["later"]:
        yield f"to {branch['later']} later, after its hold"
    if branch["on_one_path"]:
        yield "left on one path"
    for key, word in (("sessions_closed", "closed"), ("sessions_opened", "opened")):
        if branch[key]:
            yield f"session on {', '.join(branch[key])} {word}"
    if branch["sessions_restarted"]:
        yield f"session on {', '.join(branch['sessions_restarted'])} restarts: the branch's static floor carries then"
    yield from map(_change, branch["changes"])


def _change(change: Report) -> str:
    if change["was"] is None:
        return f"+ {change['what']} ({change['now']})"
    if change["now"] is None:
        return f"- {change['what']}"
    return f"{change['what']}: {change['was']} -> {change['now']}"


def _summary(totals: Report) -> str:
    words = [f"{_branches(totals[kind])} {kind}" for kind in ("added", "removed", "changed") if totals[kind]]
    words.append(f"{_branches(totals['move'])} move{'s' if totals['move'] == 1 else ''}")
    words.append(f"{totals['on_one_path']} left on one path")
    if totals["to_metered"]:
        words.append(f"{totals['to_metered']} to a metered line")
    return ", ".join(words)


def _branches(number: int) -> str:
    return _count(number, "branch", "es")


def _count(number: int, what: str, many: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else many}"
