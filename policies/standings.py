"""standings: of each tunnel of a branch what decides its value, read from the view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.model.clock import Instant
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Tunnel
from policies.model.view import ARRIVES, LivenessState, LivenessView, Replaced, SessionState, SessionView, View
from policies.preference import standing_med
from policies.steering import Steering, degraded
from policies.survivor import Standing


def standings_of(
    branch: Branch, steering: Steering, order: Sequence[Tunnel], view: View, now: Instant
) -> list[Standing]:
    """One for each tunnel; `order` is their standing order."""
    return [_standing(tunnel, place, branch, steering, view, now) for place, tunnel in enumerate(order)]


def _standing(tunnel: Tunnel, place: int, branch: Branch, steering: Steering, view: View, now: Instant) -> Standing:
    bad, drained = degraded(tunnel.id, steering, view), tunnel.id in steering.drained
    liveness, session = view.liveness_of(tunnel.id), view.session_of(tunnel.id)
    # A session whose ExaBGP nobody can talk to stands, but says nothing new.
    up = session.state is SessionState.UP and tunnel.process in view.speakers
    return Standing(
        tunnel=tunnel.id,
        med=standing_med(branch.announce_of(tunnel), place, degraded=bad, drained=drained),
        alive=view.forwarder and liveness.state is LivenessState.UP,
        dead=liveness.state is LivenessState.DOWN,
        session_up=up,
        complete=session.complete,
        sent=min((said.med for said in session.sent.values()), default=None) if up else None,
        highest_sent=max((said.med for said in session.sent.values()), default=None) if up else None,
        lowest_held=_lowest_held(session, now, bad=bad),
        arrived=arrives_at(tunnel, liveness, session) <= now,
        degraded=bad,
        drained=drained,
    )


def _lowest_held(session: SessionView, now: Instant, *, bad: bool) -> int | None:
    """The lowest value that the branch may hold from a tunnel.

    Over one that loses packets TCP repeats itself for seconds: what was replaced lately, the branch may still hold. Was
    the chosen tunnel's value given back at once, the branch would return to the bad one until then.
    """
    if not bad or session.state is not SessionState.UP:
        return session.lowest_held
    late = [one.announcement.med for one in session.replaced.values() if now < came_late(one)]
    held = session.lowest_held
    return min(late if held is None else [*late, held], default=None)


def came_late(replaced: Replaced) -> Instant:
    """From when on what took its place is at the branch, also over a tunnel that loses packets."""
    return Instant(replaced.at + ARRIVES.total_seconds())


def arrives_at(tunnel: Tunnel, liveness: LivenessView, session: SessionView) -> Instant:
    """From when on what was sent last over a tunnel that still lives is known to be at its branch.

    The tunnel must have lived then, and a session that is older than the tunnel's life has TCP's retransmission to
    wait for.
    """
    slowest = max(tunnel.liveness.active.detection_time, tunnel.liveness.idle.detection_time)
    lived = Instant(session.sent_at + slowest.total_seconds())
    lives_since = max(liveness.since, liveness.certain_since)
    if session.since >= lives_since:
        return lived
    return max(lived, Instant(lives_since + ARRIVES.total_seconds()))


def is_best_told(standings: Sequence[Standing], target: TunnelId) -> bool:
    """Whether the branch was sent values by which the target is the best that it may hold."""
    told = next((s for s in standings if s.tunnel == target), None)
    held = [s.lowest_held for s in standings if s.tunnel != target and s.lowest_held is not None]
    return told is not None and all(told.beats(value) for value in held) and told.sent is not None


def is_survivor(standings: Sequence[Standing], chosen: TunnelId | None, meds: Mapping[TunnelId, int]) -> bool:
    """Whether the chosen tunnel is announced better than its own value, as another may still be believed in."""
    return any(s.tunnel == chosen and chosen in meds and meds[chosen] < s.med for s in standings)
