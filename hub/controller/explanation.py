"""The explanation of one branch, for `why`: its report, what is ahead, and all of it of one prefix if that is asked."""

from __future__ import annotations

from hub.controller.prefix_report import limited, read_prefix
from hub.controller.report import Report, Surroundings, branch_report
from hub.controller.told_report import outlook_report
from policies.ahead import Ahead, coming_for
from policies.model.clock import Now
from policies.model.ids import Prefix
from policies.model.intent import Branch, Intent
from policies.model.overrides import Overrides
from policies.model.verdicts import Verdict
from policies.model.view import View
from policies.ranking import standing_order
from policies.steering import steerings


def explanation(
    intent: Intent,
    branch: Branch,
    view: View,
    verdict: Verdict | None,
    around: Surroundings,
    standing: Overrides,
    now: Now,
    prefix: str | None = None,
) -> Report:
    """All of it; `standing` are the overrides that are in force or scheduled.

    Raises:
        UnknownPrefixError: `prefix` is none, or none that is steered at this branch.
    """
    report, at = branch_report(branch, view, verdict, around, now), now.wall.isoformat(timespec="seconds")
    sources: tuple[Prefix, ...] = ()
    if prefix is not None:
        report = limited(report, read_prefix(prefix), intent.hub, branch, view, verdict, now)
        sources = tuple(one for one in _sources(verdict) if [str(one)] == report["prefix"]["from"])
    steering = next((one for one in steerings(branch, view, now) if one.sources == sources), None)
    decided = next((one for one in (verdict, *verdict.others) if one.sources == sources), None) if verdict else None
    if steering is None or decided is None:
        return {**report, "at": at, "preference": [], "outlook": []}
    ahead = Ahead(intent, branch, view, decided, steering, standing, around.drained, now)
    return {
        **report,
        "at": at,
        "preference": [tunnel.id.name for tunnel in standing_order(branch, steering)],
        "outlook": outlook_report(coming_for(ahead), now),
    }


def _sources(verdict: Verdict | None) -> tuple[Prefix, ...]:
    return tuple(source for one in verdict.others for source in one.sources) if verdict is not None else ()
