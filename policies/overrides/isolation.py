"""Never isolate: which branches a drain would leave without a usable tunnel, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.overrides import Drain, Overrides
from policies.model.view import LivenessState, View
from policies.overrides.schedule import begins_by_branch, drained_by
from policies.overrides.times import shown


def isolated_by(
    tunnels: Collection[TunnelId],
    intent: Intent,
    view: View,
    overrides: Overrides,
    now: Now,
    *,
    begins: datetime | None = None,
    until: datetime | None = None,
) -> Mapping[str, str]:
    """The branches that have no usable tunnel left while these are drained, each with the reason in words.

    The drain lasts from `begins` (None: now) `until` (None: for ever); other drains count where they overlap with it.
    How tunnels are now counts only for a drain that begins now: of a later one nobody knows.
    """
    present = now.wall.astimezone(UTC)
    first = max(begins.astimezone(UTC), present) if begins is not None else present
    named = {tunnel.branch for tunnel in tunnels}
    branches = [intent.branches[name] for name in sorted(named & intent.branches.keys())]
    found: dict[str, str] = {}
    for moment in _moments(intent, overrides, first, until):
        drained = drained_by(overrides, intent, moment)
        for branch in branches:
            others = [tunnel.id for tunnel in branch.tunnels if tunnel.id not in tunnels]
            reasons = [_unusable(t, branch, view, drained.get(t, ()), now, live=first <= present) for t in others]
            if branch.name not in found and all(reasons):
                found[branch.name] = ", ".join(filter(None, reasons)) or _alone(branch)
    return dict(sorted(found.items()))


def _moments(intent: Intent, overrides: Overrides, first: datetime, until: datetime | None) -> list[datetime]:
    """The first moment, and those within the time at which another tunnel begins to be drained."""
    starts = {at for drain in overrides.drains for at in begins_by_branch(drain, intent).values()}
    return [first, *sorted(at for at in starts if at > first and (until is None or at < until))]


def _alone(branch: Branch) -> str:
    return "it has no other tunnel" if len(branch.tunnels) == 1 else "all of its tunnels are meant"


def _unusable(
    tunnel: TunnelId, branch: Branch, view: View, drains: tuple[Drain, ...], now: Now, *, live: bool
) -> str | None:
    """Why this tunnel could not carry the branch's traffic; None when it could."""
    if drains:
        return f"{tunnel.name} is drained{_until(drains, now)} ({_numbers(drains)})"
    if tunnel in branch.leaving:
        return f"{tunnel.name} is about to be removed"
    liveness = view.liveness_of(tunnel)
    if not live:
        return None
    if not view.forwarder:
        return f"the forwarder does not answer, so that nothing is known of {tunnel.name}"
    match liveness.state:
        case LivenessState.UP:
            return None
        case LivenessState.UNKNOWN:
            return f"of {tunnel.name} nothing is known yet"
        case LivenessState.DOWN:
            since = now.wall + timedelta(seconds=liveness.since - now.monotonic)
            return f"{tunnel.name} is down since {since:%H:%M}"


def _until(drains: tuple[Drain, ...], now: Now) -> str:
    ends = [drain.until for drain in drains if drain.until is not None]
    if len(ends) < len(drains):
        return ""
    return f" until {shown(max(ends), now.wall)}"


def _numbers(drains: tuple[Drain, ...]) -> str:
    word = "drain" if len(drains) == 1 else "drains"
    return f"{word} {', '.join(str(drain.number) for drain in drains)}"
