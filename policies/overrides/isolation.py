"""Never isolate: which branches a drain would leave without a usable tunnel, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.overrides import Drain, Overrides
from policies.model.view import LivenessState, View
from policies.overrides.schedule import begins_by_branch
from policies.overrides.times import shown
from policies.schedule import wall_of


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
    spans = _spans(overrides, intent, named)
    found: dict[str, str] = {}
    for branch in branches:
        left = {tunnel.id: spans.get(tunnel.id, []) for tunnel in branch.tunnels if tunnel.id not in tunnels}
        for moment in _moments(left.values(), first, until):
            reasons = [
                _unusable(tunnel, branch, view, _holding(of, moment), now, live=first <= present)
                for tunnel, of in left.items()
            ]
            if all(reasons):
                found[branch.name] = ", ".join(filter(None, reasons)) or _alone(branch)
                break
    return found


_Span = tuple[datetime, Drain]
"""A drain, and when it comes to the branch in question."""


def _spans(overrides: Overrides, intent: Intent, branches: Collection[str]) -> Mapping[TunnelId, list[_Span]]:
    """Of every tunnel of these branches the drains that mean it, by number."""
    found: dict[TunnelId, list[_Span]] = {}
    for drain in sorted(overrides.drains, key=lambda drain: drain.number):
        begins = begins_by_branch(drain, intent)
        for tunnel in drain.target.tunnels(intent):
            if tunnel.branch in branches:
                found.setdefault(tunnel, []).append((begins[tunnel.branch], drain))
    return found


def _holding(spans: Collection[_Span], moment: datetime) -> tuple[Drain, ...]:
    """Those of the drains that hold at a moment."""
    return tuple(
        drain
        for begins, drain in spans
        if begins <= max(moment, drain.made) and (drain.until is None or moment < drain.until)
    )


def _moments(spans: Collection[Collection[_Span]], first: datetime, until: datetime | None) -> list[datetime]:
    """The first moment, and those within the time at which another tunnel begins to be drained."""
    starts = {begins for of in spans for begins, _ in of}
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
            since = wall_of(liveness.since, now)
            return f"{tunnel.name} is down since {since:%H:%M}"


def _until(drains: tuple[Drain, ...], now: Now) -> str:
    ends = [drain.until for drain in drains if drain.until is not None]
    if len(ends) < len(drains):
        return ""
    return f" until {shown(max(ends), now.wall)}"


def _numbers(drains: tuple[Drain, ...]) -> str:
    word = "drain" if len(drains) == 1 else "drains"
    return f"{word} {', '.join(str(drain.number) for drain in drains)}"
