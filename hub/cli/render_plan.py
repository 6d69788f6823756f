"""A plan, and its apply, laid out for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hub.cli.render_configuration import configuration_line, configuration_name, way_back
from hub.cli.render_plan_parts import change_words as _change
from hub.cli.render_plan_parts import count, move_words, plan_parts, program_words
from hub.cli.render_tunnels import made_lines, tunnel_plan_view
from policies.figures import size_words

Report = Mapping[str, Any]

MOST_NAMED = 20
"""Branches that an apply names one by one."""
MOST_DETAILED = 20
"""Branches of which a plan says all; of more the one thing that matters most."""

_MARKS = {"added": ("+ ", "green"), "removed": ("- ", "red"), "changed": ("  ", "")}


def plan_view(report: Report, *, proposal: bool, back: bool = False) -> RenderableType:
    """What would happen, and how to do it; a `proposal` is a directory that is not the hub's own.

    `back`: what would happen is that the configuration before comes again.
    """
    said = configuration_line(report.get("configuration"))
    head: list[RenderableType] = [Text(said, style="yellow")] if said is not None else []
    tunnels = report.get("tunnels")
    head += [tunnel_plan_view(tunnels, alone=False)] if tunnels and (tunnels["changes"] or tunnels["refused"]) else []
    unknown = tunnels.get("unknown") if tunnels else None
    if unknown:
        head.append(Text(f"what would be done to tunnels is not known: {unknown}", style="yellow"))
    if report["empty"] and tunnels and tunnels["changes"]:
        return Group(
            *head, Text(f"plan {report['id']}: tunnels alone change"), Text(f"do it:  pointsman apply {report['id']}")
        )
    if report["empty"]:
        stays = "stays as it is" if report["unchanged"] == 1 else "stay as they are"
        nothing = "nothing else would change" if unknown else "nothing would change"
        return Group(*head, Text(f"{nothing}: {_branches(report['unchanged'])} {stays}"))
    lines = [*head, *_lines(report), Text(f"plan {report['id']}: {_summary(report['totals'])}", style="bold")]
    if report["blind"]:
        lines.append(Text("the forwarder does not answer: what would move cannot be foreseen", style="yellow"))
    lines += [Text(f"guard: {guard}", style="red") for guard in report["guards"]]
    if back:
        lines.append(Text("do it:  pointsman rollback"))
    elif not proposal:
        apply = f"pointsman apply {report['id']}{' --force' if report['guards'] else ''}"
        lines.append(Text(_how(apply, report.get("configuration"))))
    return Group(*lines)


def _how(apply: str, present: Report | None) -> str:
    if present is not None and present["confirm"] is not None:
        return f"do it:  first pointsman confirm, or pointsman rollback; then {apply}"
    return f"do it:  {apply}              with a way back:  {apply} --confirm-within 5m"


def applied_view(report: Report) -> RenderableType:
    """How an apply, or going back, ended."""
    planned, present = report["plan"], report.get("configuration")
    gone_back = present["gone_back"] if present is not None else None
    lines = [Text(f"gone back from {configuration_name(gone_back['from'])}")] if gone_back is not None else []
    made = made_lines(report["tunnels"]["done"])
    if planned["empty"]:
        lines.append(Text("no route had to change" if made or report["problems"] else "nothing had to change"))
    elif gone_back is not None and present is not None:
        lines = [_back(planned, present)]
        lines += [Text(f"not held up by: {guard}", "yellow") for guard in planned["guards"]]
    else:
        lines = [Text(f"{planned['id']} is in force: {_summary(planned['totals'])}")]
    lines += made
    lines += [*_moved(planned, report["moved"], report["waiting"]), *_to_come(planned)]
    lines += [
        Text(f"{tunnel} still carries its branch: it goes as soon as another tunnel can (pointsman why)", "yellow")
        for tunnel in report["waiting"]
    ]
    lines += [Text(f"problem: {problem}", "red") for problem in report["problems"]]
    if gone_back is not None:
        lines.append(Text("The files are as they were: pointsman plan shows them as a difference again."))
    elif (way := way_back(present)) is not None:
        lines.append(Text(way))
    return Group(*lines)


def _back(planned: Report, present: Report) -> Text:
    left = configuration_name(present["gone_back"]["from"])
    return Text(f"{configuration_name(present['plan'])} is in force again, not {left}: {_summary(planned['totals'])}")


def _moved(planned: Report, moved: Sequence[Report], waiting: Sequence[str]) -> Iterator[Text]:
    """The branches that were to move at once, each where it was seen to be."""
    branches = {branch["branch"]: branch for branch in planned["branches"]}
    to = {name: branch["to"] for name, branch in branches.items()}
    for one in moved[:MOST_NAMED]:
        name, on = one["branch"], one["on"] or "no tunnel"
        if one["on"] == to[name]:
            yield Text(f"{name} on {on}")
        elif f"{name}/{on}" not in waiting and _comes_back(branches[name], on):
            yield Text(f"{name} on {on} again, which is made anew")
        else:
            yield Text(f"{name} still on {on}: pointsman why {name}", "yellow")
    if len(moved) > MOST_NAMED:
        rest = moved[MOST_NAMED:]
        there = sum(one["on"] == to[one["branch"]] for one in rest)
        yield Text(f"and {len(rest)} more, {there} of them where they were to go")


def _comes_back(branch: Report, on: str) -> bool:
    return any((move["on"], move["to"]) == (branch["to"], on) for move in branch["moves"])


def _to_come(planned: Report) -> Iterator[Text]:
    """The moves that are still to come, after a hold or once health is confirmed."""
    moves = [(b["branch"], m) for b in planned["branches"] for m in b["moves"] if m["after"] != 0 or m["expected"]]
    for branch, move in moves[:MOST_NAMED]:
        yield Text(f"{branch}  {move_words(move, None, with_cost=False)}")
    if len(moves) > MOST_NAMED:
        yield Text(f"and {len(moves) - MOST_NAMED} more moves to come")


def _lines(report: Report) -> Iterator[Text]:
    for change in report["files"]:
        yield Text(_file_change(change))
    yield from (Text(program_words(change)) for change in report["programs"])
    for change in report["hub"]:
        yield Text(f"  hub  {_change(change)}")
    width = max((len(branch["branch"]) for branch in report["branches"]), default=0)
    whole = len(report["branches"]) <= MOST_DETAILED
    for branch in report["branches"]:
        mark, style = _MARKS[branch["is"]]
        parts = list(plan_parts(branch, with_policy=not report["files"])) or ["no other tunnel, no other session"]
        for number, part in enumerate(parts if whole else parts[:1]):
            head = f"{mark}{branch['branch']:{width}}" if number == 0 else " " * (width + 2)
            yield Text.assemble((head, style), "  ", part)
    if not whole:
        yield Text("  what each of them is told, and all else that differs: pointsman plan --json")
    if report["unchanged"]:
        yield Text(f"  {_branches(report['unchanged'])} unchanged")


def _file_change(change: Report) -> str:
    said = _change({**change, "what": change["what"] or change["file"]})
    return f"{change['file']}: {said}" if change["what"] else said


def _summary(totals: Report) -> str:
    words = [f"{_branches(totals[kind])} {kind}" for kind in ("added", "removed", "changed") if totals[kind]]
    words.append(f"{_branches(totals['move'])} move{'s' if totals['move'] == 1 else ''}")
    words.append(f"{totals['on_one_path']} left on one path")
    if totals["to_metered"]:
        words.append(f"{totals['to_metered']} to a metered line{_how_much(totals)}")
    return ", ".join(words)


def _how_much(totals: Report) -> str:
    known, unknown = totals["to_metered_bytes_a_day"], totals["to_metered_unknown"]
    if not unknown:
        return f" ({size_words(known)} a day)"
    return f" ({size_words(known)} a day, and {unknown} of which it is not known yet)" if known else ""


def _branches(number: int) -> str:
    return count(number, "branch", "es")
