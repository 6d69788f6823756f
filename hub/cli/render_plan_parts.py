"""What a plan says of one branch, line by line: first where its traffic goes, then what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.figures import size_words

Report = Mapping[str, Any]
_GAP = " " * 9


def plan_parts(branch: Report, *, with_policy: bool) -> Iterator[str]:
    """The lines of one branch; `with_policy`: what differs in its policy is not said elsewhere."""
    if branch["is"] == "added":
        yield f"{count(len(branch['sessions_opened']), 'session')} opened; it is served once its router connects"
        return
    if branch["is"] == "removed":
        yield f"withdrawn from, {count(len(branch['sessions_closed']), 'session')} closed, no longer forwarded to"
        return
    for move in branch["moves"]:
        yield move_words(move, branch["daily_bytes"])
    if branch["moves"] and branch["script"]:
        yield f"reckoned {branch['script']}"
    if branch["on_one_path"]:
        yield "left on one path"
    for key, word in (("sessions_closed", "closed"), ("sessions_opened", "opened")):
        if branch[key]:
            yield f"session on {', '.join(branch[key])} {word}"
    if branch["sessions_restarted"]:
        yield f"session on {', '.join(branch['sessions_restarted'])} restarts: the branch's static floor carries then"
    for key in ("changes", *(["policy"] if with_policy else []), "ranking", "announcements", "routes"):
        yield from map(change_words, branch[key])


def move_words(move: Report, daily: float | None, *, with_cost: bool = True) -> str:
    """Which traffic goes from where to where, why, when, and what that costs."""
    left = move["on"] or "no tunnel"
    because = f" ({move['because']})" if move["because"] else ""
    said = f"{left}{because} -> {move['to']}"
    if move["sources"]:
        rule = f' (rule "{move["rule"]}")' if move["rule"] else ""
        said = f"from {', '.join(move['sources'])}{rule}: {said}"
    costs = (_loss(move), _cost(move, daily)) if with_cost else ()
    notes = [note for note in (_when(move), *costs) if note]
    return f"{said}{_GAP}{'; '.join(notes)}" if notes else said


def _when(move: Report) -> str:
    if move["waits"]:
        return f"later, {move['waits']}"
    if move["expected"]:
        return f"expected in about {_span(move['after'])}, not certain: {move['confirms']}"
    return f"in {_span(move['after'])}" if move["after"] else ""


def _loss(move: Report) -> str:
    return "0 packets expected lost" if move["make_before_break"] else ""


def _cost(move: Report, daily: float | None) -> str:
    if not move["metered"]:
        return ""
    if daily is None:
        return "over a metered line, how much a day is not known yet"
    most = "at most " if move["sources"] else ""
    return f"{most}{size_words(daily)} a day over a metered line"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def change_words(change: Report) -> str:
    """One thing that differs: with a plus, a minus, or what it was and becomes."""
    if change["was"] is None:
        return f"+ {change['what']} ({change['now']})"
    if change["now"] is None:
        return f"- {change['what']}"
    return f"{change['what']}: {change['was']} -> {change['now']}"


def program_words(change: Report) -> str:
    """A script or a file of a check whose text differs."""
    folder, _, name = change["what"].partition("/")
    said, who = (f"script {name}", "it") if folder == "policies" else (change["what"], "the checks")
    if change["now"] is None:
        return f"{said} goes"
    return f"{said} {'comes' if change['was'] is None else 'changes'}: what {who} will say is not foreseen"


def count(number: int, what: str, many: str = "s") -> str:
    """`1 branch`, `2 branches`."""
    return f"{number} {what}{'' if number == 1 else many}"
