"""How far a drain is: has the hub left each tunnel, has the branch, and is it idle. Pure; asked again until it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from hub.overrides.counters import Counted
from hub.overrides.held_up import not_moved_by
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.overrides import Drain
from policies.model.view import PathSeen, View
from policies.overrides.schedule import begins_by_branch
from policies.overrides.times import shown

IDLE = timedelta(seconds=5)
"""How long no packet may come or go before a tunnel counts as idle."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A Progress is how far the drain of one tunnel is. `moved` and `idle` are proofs: what is not seen is not so.

    `to` is the tunnel that the branch is seen to use instead; `missing` what is waited for, in words; `idle_for` the
    seconds without a packet in either direction, None where nothing is counted.
    """

    tunnel: TunnelId
    missing: str
    moved: bool = False
    idle: bool = False
    to: TunnelId | None = None
    idle_for: float | None = None


def progress(
    drain: Drain, intent: Intent, view: View, counted: Mapping[TunnelId, Counted], now: Now
) -> tuple[Progress, ...]:
    """How far each tunnel of the drain is, by name."""
    begins = begins_by_branch(drain, intent)
    found = []
    for tunnel in sorted(drain.target.tunnels(intent)):
        at = begins[tunnel.branch]
        if at > max(now.wall, drain.made):
            found.append(Progress(tunnel, f"begins at {shown(at, now.wall)}"))
        else:
            found.append(_begun(tunnel, intent.branches[tunnel.branch], view, counted.get(tunnel), now))
    return tuple(found)


def _begun(tunnel: TunnelId, branch: Branch, view: View, counted: Counted | None, now: Now) -> Progress:
    paths = _fresh_paths(branch, view, now)
    missing = _not_moved(tunnel, branch, view, paths)
    counted = counted if counted is not None and counted.is_fresh(now.monotonic) else None
    idle_for = max(0.0, now.monotonic - counted.idle_since) if counted is not None else None
    idle = idle_for is not None and idle_for >= IDLE.total_seconds()
    to = paths[0].tunnel if paths and not missing else None
    return Progress(tunnel, missing or _not_idle(counted, now, idle=idle), not missing, idle, to, idle_for)


def _not_moved(tunnel: TunnelId, branch: Branch, view: View, paths: list[PathSeen]) -> str:
    """Why it is not seen that both ends have left the tunnel; nothing when it is."""
    if not view.forwarder:
        return "the forwarder does not answer: it is not known what the kernel does"
    by = not_moved_by(branch, view)
    because = f" ({by})" if by else ""
    if any(c.active == tunnel for c in view.classes.values() if c.branch == branch.name):
        return f"the hub still sends to {branch.name} by it{because}"
    if any(path.tunnel == tunnel for path in paths):
        return f"{branch.name} still sends by it{because}"
    if not paths:
        return f"{branch.name} is not seen to use another tunnel: no return-path probe is answered"
    return ""


def _not_idle(counted: Counted | None, now: Now, *, idle: bool) -> str:
    if counted is None:
        return "not counted"
    if idle:
        return ""
    to, back = counted.to_branch, counted.from_branch
    ages = [(now.monotonic - at, way) for at, way in ((to, "to"), (back, "from")) if at is not None]
    if not ages:
        return "counted for less than 5 s"
    age, way = min(ages)
    return f"a packet {way} the branch {max(0.0, age):.1f} s ago"


def _fresh_paths(branch: Branch, view: View, now: Now) -> list[PathSeen]:
    """Where the branch was seen to send, of each IP version, the newest answer first."""
    seen = (view.paths.get((branch.name, version)) for version in branch.versions)
    fresh = [path for path in seen if path is not None and path.is_fresh(now.monotonic)]
    return sorted(fresh, key=lambda path: -path.at)
