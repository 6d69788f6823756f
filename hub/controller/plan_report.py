"""A plan, and how its apply ended, as plain data for the command line."""

from __future__ import annotations

from typing import Any

from hub.controller.changing import Applied
from policies.changes import Change
from policies.plan import BranchPlan, Kind, Plan


def plan_report(planned: Plan) -> dict[str, Any]:
    """All that a plan says."""
    kinds = {kind: sum(branch.kind is kind for branch in planned.branches) for kind in Kind}
    return {
        "id": planned.id,
        "empty": planned.empty,
        "hub": [_change(change) for change in planned.hub],
        "branches": [_branch(branch) for branch in planned.branches],
        "unchanged": planned.unchanged,
        "guards": list(planned.guards),
        "totals": {
            "added": kinds[Kind.ADDED],
            "removed": kinds[Kind.REMOVED],
            "changed": kinds[Kind.CHANGED],
            "move": sum(branch.to is not None for branch in planned.branches),
            "on_one_path": sum(branch.on_one_path for branch in planned.branches),
            "to_metered": sum(branch.to_metered for branch in planned.branches),
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
    }


def _branch(planned: BranchPlan) -> dict[str, Any]:
    return {
        "branch": planned.branch,
        "is": planned.kind.value,
        "changes": [_change(change) for change in planned.changes],
        "on": planned.on,
        "to": planned.to,
        "to_metered": planned.to_metered,
        "later": planned.later,
        "sessions_opened": list(planned.opened),
        "sessions_closed": list(planned.closed),
        "sessions_restarted": list(planned.restarted),
        "live_before": planned.live_before,
        "live_after": planned.live_after,
        "on_one_path": planned.on_one_path,
    }


def _change(change: Change) -> dict[str, str | None]:
    return {"what": change.what, "was": change.was, "now": change.now}
