"""What overrides mean at a time, and when that changes: drains that overlap compose, whatever the order of making."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from policies.model.clock import NEVER, Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import NONE_IN_FORCE, Drain, InForce, Overrides


def drained_by(overrides: Overrides, intent: Intent, wall: datetime) -> Mapping[TunnelId, tuple[Drain, ...]]:
    """Every tunnel that is drained at this time, with the drains that mean it, by number."""
    found: dict[TunnelId, list[Drain]] = {}
    for drain in sorted(overrides.drains, key=lambda drain: drain.number):
        if drain.holds(wall):
            for tunnel in _reached(drain, intent, max(wall, drain.made)):
                found.setdefault(tunnel, []).append(drain)
    return {tunnel: tuple(drains) for tunnel, drains in found.items()}


def in_force_at(overrides: Overrides, intent: Intent, wall: datetime) -> Mapping[str, InForce]:
    """What the overrides mean for each branch at this time; branches for which they mean nothing are left out.

    Of several switches of a branch the last counts; one to a tunnel that is no longer there does not.
    """
    now = overrides.at(wall)
    drained: dict[str, set[TunnelId]] = {}
    for tunnel in drained_by(now, intent, wall):
        drained.setdefault(tunnel.branch, set()).add(tunnel)
    switched = {switch.branch: TunnelId(switch.branch, switch.to) for switch in now.switches}
    back, frozen = {branch for branch, _ in now.failback}, bool(now.freezes)
    found = {}
    for name in intent.branches if frozen else drained.keys() | switched.keys() | back:
        branch = intent.branches.get(name)
        tunnels = [tunnel.id for tunnel in branch.tunnels] if branch is not None else []
        to = switched.get(name)
        means = InForce(frozenset(drained.get(name, ())), to if to in tunnels else None, frozen, name in back)
        if branch is not None and means != NONE_IN_FORCE:
            found[name] = means
    return found


def begins_by_branch(drain: Drain, intent: Intent) -> Mapping[str, datetime]:
    """When the drain begins at each branch of which it means a tunnel: one after the other in their turns, at its rate.

    To a branch that was not meant when it was made it comes together with the last one.
    """
    meant = {tunnel.branch for tunnel in drain.target.tunnels(intent)}
    turns = drain.turns or tuple(sorted(meant))
    places, last = {name: place for place, name in enumerate(turns)}, len(turns) - 1
    branches = sorted(meant, key=lambda name: (places.get(name, last), name))
    apart = timedelta(minutes=1 / drain.rate) if drain.rate > 0 else timedelta(0)
    begins = drain.begins.astimezone(UTC)
    return {name: begins + places.get(name, last) * apart for name in branches}


def turns_of(drain: Drain, intent: Intent) -> tuple[str, ...]:
    """The branches to which a drain that is made now comes one after the other, by name; none where all at once."""
    return tuple(sorted({tunnel.branch for tunnel in drain.target.tunnels(intent)})) if drain.rate > 0 else ()


def undrained_since(over: Iterable[tuple[Drain, datetime]], intent: Intent, now: Now) -> Mapping[TunnelId, Instant]:
    """When the tunnels that these drains meant ceased to be drained by them; each drain is given with its end.

    By the monotonic clock: nothing of the future, though the wall clock was put back, nor of before the machine began.
    """
    found: dict[TunnelId, Instant] = {}
    for drain, end in over:
        last, ago = max(end, drain.made), max(timedelta(0), now.wall - end)
        at = Instant(now.monotonic - ago.total_seconds())
        if at > NEVER and drain.begins <= last:
            found |= {tunnel: max(at, found.get(tunnel, NEVER)) for tunnel in _reached(drain, intent, last)}
    return found


def next_change(overrides: Overrides, intent: Intent, wall: datetime) -> datetime | None:
    """When time alone next changes what holds: something begins, ends, or goes on to its next branch."""
    return min((at for at in _changes(overrides, intent) if at > wall), default=None)


def _changes(overrides: Overrides, intent: Intent) -> Iterator[datetime]:
    for override in overrides.all():
        yield override.begins.astimezone(UTC)
        if override.until is not None:
            yield override.until.astimezone(UTC)
    for drain in overrides.drains:
        if drain.rate > 0:
            yield from begins_by_branch(drain, intent).values()
    for _, until in overrides.failback:
        yield until.astimezone(UTC)


def _reached(drain: Drain, intent: Intent, moment: datetime) -> Iterable[TunnelId]:
    """The tunnels to which a drain that has begun has come."""
    tunnels = drain.target.tunnels(intent)
    if drain.rate <= 0:
        return tunnels
    begins = begins_by_branch(drain, intent)
    return [tunnel for tunnel in tunnels if begins[tunnel.branch] <= moment]
