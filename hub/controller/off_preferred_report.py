"""What keeps a branch on a lesser tunnel, as plain data for `status` and `why`. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from hub.controller.moments import at_second, moment
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch
from policies.model.overrides import Drain, Overrides
from policies.model.view import View
from policies.off_preferred import Carried, OffPreferred, cost, off_preferred


def off_preferred_report(
    branch: Branch,
    view: View,
    overrides: Overrides,
    drained: Mapping[TunnelId, tuple[Drain, ...]],
    carried: Mapping[TunnelId, Carried],
    faults: Container[str],
    now: Now,
) -> list[dict[str, Any]]:
    """Each traffic of the branch that is not on the best tunnel that is well; empty where all is.

    `faults` are the keys of what is told as one.
    """
    return [
        _report(found, cost(found, branch, view, carried.get(found.on), now), now, fault=found.key in faults)
        for found in off_preferred(branch, view, overrides, drained, now)
    ]


def _report(found: OffPreferred, spent: tuple[str, ...], now: Now, *, fault: bool) -> dict[str, Any]:
    until, fault_at = found.kept.until, found.fault_at
    return {
        "from": [str(prefix) for prefix in found.sources],
        "on": found.on.name,
        "better": found.better.name,
        "since": moment(found.since, now),
        "because": found.kept.because,
        "until": until.astimezone(now.wall.tzinfo).isoformat(timespec="seconds") if until is not None else None,
        "meant": found.kept.meant,
        "cost": list(spent),
        "fault": fault,
        "fault_at": at_second(fault_at, now) if fault_at is not None else None,
        "text": found.text(spent, now),
        "mend": found.kept.mend,
    }
