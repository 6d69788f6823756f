"""Overrides as plain data: what `overrides`, `status` and `why` show, and what the commands answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.overrides.progress import Progress
from hub.overrides.rows import Ended, Failback, kind_of, target_of
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import Author, Drain, Override, Overrides, Switch
from policies.overrides.times import zone_name

Report = dict[str, Any]


def override_report(override: Override, intent: Intent, now: Now, ended: Ended | None = None) -> Report:
    """One override, whole, with the tunnels that it means and how it ended."""
    tunnels = [str(tunnel) for tunnel in sorted(_tunnels(override, intent))]
    said = said_report(override, now)
    if ended is None:
        return {**said, "tunnels": tunnels, "ended": None, "ended_by": None, "because": None}
    by = _author(ended.by) if ended.by is not None else None
    end = {"state": "over", "ended": _at(ended.at, now), "ended_by": by, "because": ended.because}
    return {**said, "tunnels": tunnels, **end}


def said_report(override: Override, now: Now) -> Report:
    """What was said; times are in the zone of `now`."""
    begun = override.begins <= max(now.wall, override.made)
    over = override.until is not None and override.until <= now.wall
    return {
        "number": override.number,
        "kind": kind_of(override),
        "target": target_of(override),
        "to": override.to if isinstance(override, Switch) else None,
        "state": "over" if over else "in force" if begun else "scheduled",
        "by": _author(override.author),
        "made": _at(override.made, now),
        "begins": _at(override.begins, now),
        "until": _at(override.until, now),
        "reason": override.reason,
        "forced": isinstance(override, Drain) and override.forced,
        "rate": override.rate if isinstance(override, Drain) else 0.0,
    }


def list_report(standing: Iterable[Override], history: Iterable[Ended], intent: Intent, now: Now) -> Report:
    """All of them: those that stand by number, then those that are over, the newest first."""
    every = [override_report(override, intent, now) for override in standing]
    every += [override_report(ended.override, intent, now, ended) for ended in history]
    return {"overrides": every, **when(now)}


def progress_report(
    drain: Drain,
    parts: Sequence[Progress],
    intent: Intent,
    now: Now,
    *,
    counting: bool,
    same_target: Sequence[int] = (),
) -> Report:
    """How far a drain is, and each of its tunnels; `counting`: whether packets can be counted at all.

    `same_target` are the numbers of the other drains of the same target, which stand beside it.
    """
    moved, idle = all(part.moved for part in parts), all(part.idle for part in parts)
    return {
        "override": override_report(drain, intent, now),
        "same_target": list(same_target),
        "counting": counting,
        "moved": moved,
        "idle": idle,
        "safe": moved and idle and bool(parts),
        "tunnels": [
            {
                "tunnel": str(part.tunnel),
                "moved": part.moved,
                "idle": part.idle,
                "to": part.to.name if part.to is not None else None,
                "idle_for": round(part.idle_for, 1) if part.idle_for is not None else None,
                "missing": part.missing,
            }
            for part in parts
        ],
        **when(now),
    }


def drained_report(drains: Sequence[Drain], now: Now) -> Report | None:
    """That a tunnel is drained, for its place in `status`: until when at the latest, and by which drains."""
    if not drains:
        return None
    ends = [drain.until for drain in drains]
    last = None if None in ends else max(end for end in ends if end is not None)
    return {"until": _at(last, now), "drains": [drain.number for drain in drains]}


def branch_overrides(
    branch: str, in_force: Overrides, drained: Mapping[TunnelId, Sequence[Drain]], now: Now
) -> list[Report]:
    """What is in force for a branch: the drains of its tunnels, its switch, what is frozen."""
    drains = {drain for tunnel, by in drained.items() if tunnel.branch == branch for drain in by}
    switches = [switch for switch in in_force.switches if switch.branch == branch]
    every: list[Override] = [*drains, *switches, *in_force.freezes]
    return [said_report(override, now) for override in sorted(every, key=lambda override: override.number)]


def when(now: Now) -> Report:
    """The time of an answer, and the name of its zone."""
    return {"at": now.wall.isoformat(timespec="seconds"), "zone": zone_name(now.wall)}


def _tunnels(override: Override, intent: Intent) -> frozenset[TunnelId]:
    match override:
        case Drain():
            return override.target.tunnels(intent)
        case Switch():
            return frozenset({TunnelId(override.branch, override.to)}) & intent.tunnels().keys()
        case Failback():
            branch = intent.branches.get(override.branch)
            return frozenset(tunnel.id for tunnel in branch.tunnels) if branch is not None else frozenset()
        case _:
            return frozenset()


def _author(author: Author) -> Report:
    return {"uid": author.uid, "user": author.user}


def _at(at: datetime | None, now: Now) -> str | None:
    return at.astimezone(now.wall.tzinfo).isoformat(timespec="seconds") if at is not None else None
