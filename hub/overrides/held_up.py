"""What keeps a word of an operator from being obeyed now, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.overrides.wording import named
from policies.model.intent import Branch, Mode
from policies.model.overrides import Drain
from policies.model.view import View
from policies.overrides.commands import Beside

_NAMED = 4
"""So many branches are named, of more only how many they are."""


def frozen(beside: Beside, begins: datetime | None = None) -> tuple[str, ...]:
    """That moves are frozen, now or when this begins."""
    wall = max(beside.now.wall, begins) if begins is not None else beside.now.wall
    return tuple(
        f"moves are frozen by {named(freeze)}: it waits for that" for freeze in beside.overrides.at(wall).freezes[:1]
    )


def drain_held_up(drain: Drain, beside: Beside) -> tuple[str, ...]:
    """Why a drain moves nothing, or not everywhere."""
    branches = sorted({tunnel.branch for tunnel in drain.target.tunnels(beside.intent)})
    notes = []
    for mode in (Mode.OBSERVE, Mode.OFF):
        names = [name for name in branches if beside.intent.branches[name].mode is mode]
        if names:
            verb = "has" if len(names) == 1 else "have"
            notes.append(f"{_listed(names)} {verb} mode {mode.value}: nothing is moved there")
    return (*frozen(beside, drain.begins), *notes)


def not_moved_by(branch: Branch, view: View) -> str:
    """Why the hub moves nothing of this branch though it is told to; nothing where it does."""
    if branch.mode is not Mode.ACT:
        return f"its mode is {branch.mode.value}, so that nothing is moved"
    return "moves are frozen" if view.overridden(branch.name).frozen else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
