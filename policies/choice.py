"""choice: which tunnel a branch should be on, given the one it is on.

The forwarder leaves a dead tunnel by itself. Here it is decided where to start, and when to go back. Guards from top to
bottom, one return each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.model.clock import NEVER, Instant
from policies.model.ids import TunnelId
from policies.model.policy import Failback, FailbackMode
from policies.model.verdicts import Reason
from policies.model.view import ARRIVES, SessionState, View
from policies.ranking import Ranked, Usability


@dataclass(frozen=True, slots=True)
class Choice:
    """A Choice is the tunnel to be on, why, and when time alone could change that."""

    tunnel: TunnelId | None
    reason: Reason
    detail: str = ""
    wake_at: Instant | None = None


def choose(ranking: Sequence[Ranked], current: TunnelId | None, failback: Failback, view: View, now: Instant) -> Choice:
    """The tunnel to be on. `ranking` is the present order; `current` is where the kernel is, None before the first."""
    # Before there is a class the branch decides where it is: a forwarder that lost its memory, or a new controller,
    # must not turn it to a tunnel of which nothing is known.
    current = current or _already_preferred(ranking, view)
    if not view.forwarder:
        return Choice(current, Reason.BLIND)
    if any(r.tunnel == current and r.usability is Usability.UNKNOWN for r in ranking):
        # Within seconds it is known to live or to be dead; until then nothing is held against it.
        return Choice(current, Reason.NOT_YET)
    usable = [r for r in ranking if r.usability <= Usability.LEAVING]
    if not usable:
        return _without_live_tunnel(ranking, current)
    present = next((r for r in usable if r.tunnel == current), None)
    best = usable[0]
    if present is None:
        return Choice(best.tunnel, _settled_reason(best, usable, ranking))
    if best is present:
        return Choice(present.tunnel, _settled_reason(present, usable, ranking))
    return _better_one(usable[: usable.index(present)], present, failback, view, now)


def _already_preferred(ranking: Sequence[Ranked], view: View) -> TunnelId | None:
    """What the branch was told to use before we knew anything: the lowest value that it holds."""
    held = [(low, r.tunnel) for r in ranking if (low := view.session_of(r.tunnel).lowest_held) is not None]
    return min(held)[1] if held else (ranking[0].tunnel if ranking else None)


def _without_live_tunnel(ranking: Sequence[Ranked], current: TunnelId | None) -> Choice:
    unknown = [r.tunnel for r in ranking if r.usability is Usability.UNKNOWN]
    if unknown:
        return Choice(current if current in unknown else unknown[0], Reason.NOT_YET)
    return Choice(current, Reason.NO_TUNNEL)


def _settled_reason(on: Ranked, usable: Sequence[Ranked], ranking: Sequence[Ranked]) -> Reason:
    if on.standing == 0:
        return Reason.PREFERRED
    if len(usable) == 1 and len(ranking) > 1:
        return Reason.ONLY_USABLE
    return Reason.PREFERRED


def _better_one(better: Sequence[Ranked], present: Ranked, failback: Failback, view: View, now: Instant) -> Choice:
    """The first of the better tunnels that traffic may go back to now, else the present one with what is missing."""
    leaves_worse = present.usability is not Usability.UP
    if failback.mode is FailbackMode.NEVER and not leaves_worse:
        return Choice(present.tunnel, Reason.FAILBACK_NEVER)
    waiting: list[Choice] = []
    for candidate in better:
        # Out of a tunnel that is about to go there is no waiting.
        held_until = NEVER if present.usability is Usability.LEAVING else may_return_at(candidate, failback, view)
        if held_until > now:
            waiting.append(Choice(present.tunnel, Reason.HELD_BACK, candidate.tunnel.name, held_until))
        elif not _told_all(candidate.tunnel, view):
            waiting.append(Choice(present.tunnel, Reason.WAITING_FOR_SESSION, candidate.tunnel.name))
        else:
            return Choice(candidate.tunnel, Reason.MOVING, candidate.tunnel.name)
    return waiting[0]


def may_return_at(candidate: Ranked, failback: Failback, view: View) -> Instant:
    """When a tunnel that was dead may be returned to.

    After the hold; and where its session is older than its return, not before TCP has sent again what was sent into the
    dead tunnel: the branch may not have it yet, and the boost of another would be given back too soon.
    """
    liveness, session = view.liveness_of(candidate.tunnel), view.session_of(candidate.tunnel)
    hold = failback.hold.total_seconds() if liveness.after_death else 0.0
    # Also a death while everything started, for which there is no hold, may have swallowed what was sent.
    stood = session.state is SessionState.UP and max(session.since, liveness.known_since) < liveness.since
    return Instant(liveness.since + (max(hold, ARRIVES.total_seconds()) if stood else hold))


def _told_all(tunnel: TunnelId, view: View) -> bool:
    session = view.session_of(tunnel)
    return session.state is SessionState.UP and session.complete
