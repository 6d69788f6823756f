"""A plan, and how its apply ended, as plain data for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.config.file_changes import FileChange
from hub.controller.ending import Applied
from policies.changes import Change
from policies.plan import BranchPlan, Kind, Plan
from policies.planning.outlook import PlannedMove


def plan_report(planned: Plan, files: Iterable[FileChange] = ()) -> dict[str, Any]:
    """All that a plan says; `files` are what differs in the files."""
    kinds = {kind: sum(branch.kind is kind for branch in planned.branches) for kind in Kind}
    blast = planned.blast
    return {
        "id": planned.id,
        "empty": planned.empty,
        "files": [{"file": each.file, "what": each.what, "was": each.was, "now": each.now} for each in files],
        "programs": _changes(planned.programs),
        "hub": [_change(change) for change in planned.hub],
        "branches": [_branch(branch) for branch in planned.branches],
        "silent": [{"branch": each.branch, "policy": _changes(each.policy)} for each in planned.silent],
        "unchanged": planned.unchanged,
        "guards": list(planned.guards),
        "blind": planned.blind,
        "totals": {
            "added": kinds[Kind.ADDED],
            "removed": kinds[Kind.REMOVED],
            "changed": kinds[Kind.CHANGED],
            "move": len(blast.moved),
            "on_one_path": len(blast.one_path),
            "to_metered": len(blast.metered),
            "to_metered_unknown": len(blast.unknown),
            "to_metered_bytes_a_day": round(blast.bytes_a_day),
            "sessions_opened": sum(len(branch.opened) for branch in planned.branches),
            "sessions_closed": sum(len(branch.closed) for branch in planned.branches),
            "sessions_restarted": sum(len(branch.restarted) for branch in planned.branches),
        },
    }


def applied_report(applied: Applied) -> dict[str, Any]:
    """What an apply did, and what it still waits for."""
    return {
        "plan": plan_report(applied.plan),
        "waiting": list(applied.waiting),
        "problems": list(applied.problems),
        "moved": [{"branch": branch, "on": on} for branch, on in applied.moved],
        "tunnels": {"done": list(applied.made)},
    }


def _branch(planned: BranchPlan) -> dict[str, Any]:
    return {
        "branch": planned.branch,
        "is": planned.kind.value,
        "changes": _changes(planned.changes),
        "policy": _changes(planned.policy),
        "ranking": _changes(planned.ranking),
        "announcements": _changes(planned.announcements),
        "routes": _changes(planned.routes),
        "on": planned.on,
        "to": planned.to,
        "to_metered": planned.to_metered,
        "later": planned.later,
        "moves": [_move(move) for move in planned.moves],
        "daily_bytes": planned.daily,
        "script": planned.script,
        "sessions_opened": list(planned.opened),
        "sessions_closed": list(planned.closed),
        "sessions_restarted": list(planned.restarted),
        "live_before": planned.live_before,
        "live_after": planned.live_after,
        "on_one_path": planned.on_one_path,
    }


def _move(move: PlannedMove) -> dict[str, Any]:
    return {
        "on": move.on,
        "to": move.to,
        "sources": [str(prefix) for prefix in move.sources],
        "rule": move.rule,
        "because": move.because,
        "after": None if move.after is None else round(move.after, 1),
        "waits": move.awaited,
        "expected": move.expected,
        "confirms": move.confirms,
        "metered": move.metered,
        "make_before_break": move.gentle,
    }


def _changes(changes: Iterable[Change]) -> list[dict[str, str | None]]:
    return [_change(change) for change in changes]


def _change(change: Change) -> dict[str, str | None]:
    return {"what": change.what, "was": change.was, "now": change.now}
