"""ranking: the tunnels of a branch in the order in which they should carry its traffic.

Two orders. The *standing* order is what is preferred while nothing is wrong: what an operator switched to, metered
last, then `prefer`, then by name. The *present* order puts what works before what does not: up before degraded before
drained before down, and keeps the standing order among equals. A metered tunnel comes after degraded ones only where
the policy says `last-resort`. Tunnels that are about to be removed come after all that can be used. Among degraded ones
the least bad is first: by loss, then by round trip, in coarse steps.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from math import inf

from policies.model.clock import Instant
from policies.model.health import HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Tunnel
from policies.model.kinds import CHEAPEST
from policies.model.policy import Metered
from policies.model.view import LivenessState, SessionState, SessionView, View
from policies.steering import Steering, degraded, plain_steering

SESSION_GRACE = timedelta(seconds=5)
"""How long a live tunnel may be without its session before one with a session ranks above it.

A restarted ExaBGP has its sessions back in two seconds, one after the other: that is no reason to move."""

LOSS_STEPS = (0.05, 0.1, 0.2, 0.4)
RTT_STEPS = (0.15, 0.3, 0.6, 1.2)
"""Which of two bad tunnels is worse: what lies in the same step is equally bad. Shares, and seconds."""

Preferred = tuple[int, float, str]
"""The entry of a preference, the cost where that counts, and the name: the lower the better."""
Badness = tuple[int, int]
"""The steps of loss and of round trip: the lower the better."""


class Usability(IntEnum):
    """How fit a tunnel is to carry traffic; the lower the better."""

    UP = 0
    UP_WITHOUT_SESSION = 1
    DEGRADED = 2
    DRAINED = 3
    LEAVING = 4
    UNKNOWN = 5
    DOWN = 6


@dataclass(frozen=True, slots=True)
class Ranked:
    """A Ranked is a tunnel's place: `standing` is its rank while all is well, counted from 0."""

    tunnel: TunnelId
    standing: int
    usability: Usability
    metered: bool = False
    badness: Badness = (0, 0)


def standing_order(branch: Branch, steering: Steering | None = None) -> tuple[Tunnel, ...]:
    """The tunnels of the branch as they are preferred while all is well; without `steering` by its policy alone."""
    by = steering if steering is not None else plain_steering(branch)
    return tuple(sorted(branch.tunnels, key=lambda tunnel: (tunnel.id in branch.leaving, *_preference(tunnel, by))))


def present_order(
    branch: Branch, view: View, now: Instant, steering: Steering | None = None, standing: Sequence[Tunnel] | None = None
) -> tuple[Ranked, ...]:
    """The tunnels of the branch, the one that should carry its traffic first; `standing` saves sorting them again."""
    by = steering if steering is not None else plain_steering(branch)
    with_session = any(view.session_of(t.id).state is SessionState.UP for t in branch.tunnels)
    ranked = []
    for place, tunnel in enumerate(standing if standing is not None else standing_order(branch, by)):
        usability = _usability(tunnel.id, branch, by, view, now, with_session)
        badness = _badness(view.health_of(tunnel.id)) if usability is Usability.DEGRADED else (0, 0)
        ranked.append(Ranked(tunnel.id, place, usability, tunnel.uplink.metered, badness))
    if by.metered is Metered.LAST_RESORT:
        return tuple(sorted(ranked, key=lambda r: _unmetered_first(r, by.switched)))
    return tuple(sorted(ranked, key=lambda r: (r.usability, r.badness, r.standing)))


def _unmetered_first(ranked: Ranked, switched: TunnelId | None) -> tuple[int, bool, int, Badness, int]:
    """A metered tunnel carries only when all others are down, or have no session to be told by; or by a switch."""
    usable = ranked.usability <= Usability.DEGRADED
    group = Usability.UP_WITHOUT_SESSION if ranked.usability is Usability.UP_WITHOUT_SESSION else Usability.UP
    last = usable and ranked.metered and ranked.tunnel != switched
    return (group if usable else ranked.usability, last, ranked.usability, ranked.badness, ranked.standing)


def session_grace_ends(session: SessionView) -> Instant:
    """When a missing session begins to count against its tunnel."""
    return Instant(session.since + SESSION_GRACE.total_seconds())


def _preference(tunnel: Tunnel, by: Steering) -> tuple[bool, bool, Preferred]:
    metered_last = tunnel.uplink.metered and by.metered is not Metered.ALLOWED
    return (tunnel.id != by.switched, metered_last, place_in(tunnel, by.prefer))


def place_in(tunnel: Tunnel, prefer: tuple[str, ...]) -> Preferred:
    """A tunnel's place by a preference: an exact name first, then its uplink's kind; what is not listed comes after.

    `cheapest` has all that no entry before it names: by cost, those of which nobody said it last. Then by name.
    """
    words = (word for word in (tunnel.id.name, tunnel.uplink.kind) if word in prefer)
    place = next((prefer.index(word) for word in words), len(prefer))
    cheapest = prefer.index(CHEAPEST) if CHEAPEST in prefer else len(prefer)
    if place <= cheapest:
        return (place, 0.0, tunnel.id.name)
    return (cheapest, inf if tunnel.uplink.cost is None else tunnel.uplink.cost, tunnel.id.name)


def _usability(
    tunnel: TunnelId,
    branch: Branch,
    by: Steering,
    view: View,
    now: Instant,
    with_session: bool,  # noqa: FBT001
) -> Usability:
    match view.liveness_of(tunnel).state:
        case LivenessState.DOWN:
            return Usability.DOWN
        case LivenessState.UNKNOWN:
            return Usability.UNKNOWN
        case LivenessState.UP:
            if tunnel in branch.leaving:
                return Usability.LEAVING
            if tunnel in by.drained:
                return Usability.DRAINED
            if degraded(tunnel, by, view):
                return Usability.DEGRADED
            session = view.session_of(tunnel)
            lacking = session.state is SessionState.DOWN and now >= session_grace_ends(session)
            # Where no session is left at all, its absence tells the tunnels nothing apart.
            return Usability.UP_WITHOUT_SESSION if with_session and lacking else Usability.UP


def _badness(health: HealthView) -> Badness:
    figures = health.figures
    return bisect(LOSS_STEPS, figures.loss or 0.0), bisect(RTT_STEPS, figures.rtt or 0.0)
