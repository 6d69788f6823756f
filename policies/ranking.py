"""ranking: the tunnels of a branch in the order in which they should carry its traffic.

Two orders. The *standing* order is what the policy says while nothing is wrong: metered last, then `prefer`, then by
name. It never changes by itself, so the values announced from it never change by themselves. The *present* order puts
what works before what does not, and keeps the standing order among equals. Tunnels that are about to be removed come
after all that can be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Tunnel
from policies.model.policy import Metered
from policies.model.view import LivenessState, SessionState, SessionView, View

SESSION_GRACE = timedelta(seconds=5)
"""How long a live tunnel may be without its session before one with a session ranks above it.

A restarted ExaBGP has its sessions back in two seconds, one after the other: that is no reason to move."""


class Usability(IntEnum):
    """How fit a tunnel is to carry traffic; the lower the better."""

    UP = 0
    UP_WITHOUT_SESSION = 1
    LEAVING = 2
    UNKNOWN = 3
    DOWN = 4


@dataclass(frozen=True, slots=True)
class Ranked:
    """A Ranked is a tunnel's place: `standing` is its rank while all is well, counted from 0."""

    tunnel: TunnelId
    standing: int
    usability: Usability


def standing_order(branch: Branch) -> tuple[Tunnel, ...]:
    """The tunnels of the branch as its policy prefers them while all is well."""
    return tuple(sorted(branch.tunnels, key=lambda tunnel: (tunnel.id in branch.leaving, *_preference(tunnel, branch))))


def present_order(branch: Branch, view: View, now: Instant) -> tuple[Ranked, ...]:
    """The tunnels of the branch, the one that should carry its traffic first."""
    with_session = any(view.session_of(t.id).state is SessionState.UP for t in branch.tunnels)
    ranked = (
        Ranked(tunnel.id, standing, _usability(tunnel.id, branch, view, now, with_session))
        for standing, tunnel in enumerate(standing_order(branch))
    )
    return tuple(sorted(ranked, key=lambda r: (r.usability, r.standing)))


def session_grace_ends(session: SessionView) -> Instant:
    """When a missing session begins to count against its tunnel."""
    return Instant(session.since + SESSION_GRACE.total_seconds())


def _preference(tunnel: Tunnel, branch: Branch) -> tuple[bool, int, str]:
    policy = branch.policy
    metered_last = tunnel.uplink.metered and policy.metered is not Metered.ALLOWED
    return (metered_last, _place(tunnel, policy.prefer), tunnel.id.name)


def _place(tunnel: Tunnel, prefer: tuple[str, ...]) -> int:
    """An exact tunnel name first, then the kind of its uplink; what is not listed comes after."""
    if tunnel.id.name in prefer:
        return prefer.index(tunnel.id.name)
    if tunnel.uplink.kind in prefer:
        return prefer.index(tunnel.uplink.kind)
    return len(prefer)


def _usability(tunnel: TunnelId, branch: Branch, view: View, now: Instant, with_session: bool) -> Usability:  # noqa: FBT001
    match view.liveness_of(tunnel).state:
        case LivenessState.DOWN:
            return Usability.DOWN
        case LivenessState.UNKNOWN:
            return Usability.UNKNOWN
        case LivenessState.UP:
            if tunnel in branch.leaving:
                return Usability.LEAVING
            session = view.session_of(tunnel)
            lacking = session.state is SessionState.DOWN and now >= session_grace_ends(session)
            # Where no session is left at all, its absence tells the tunnels nothing apart.
            return Usability.UP_WITHOUT_SESSION if lacking and with_session else Usability.UP
