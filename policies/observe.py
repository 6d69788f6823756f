"""observe: one event folded into the view. The only place where belief changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from policies.model.announcement import Announcement
from policies.model.clock import NEVER, Instant
from policies.model.events import (
    Adjusted,
    AnnouncementsSent,
    ChecksTaken,
    ClassChanged,
    ClassGone,
    EndOfRibHeard,
    Event,
    ForwarderConnected,
    ForwarderLost,
    HealthChanged,
    InForceChanged,
    LivenessChanged,
    PathAnswered,
    RouteRefused,
    RoutesHeard,
    RoutesWithdrawn,
    SamplesTaken,
    SessionChanged,
    SetSent,
    SpeakerConnected,
    SpeakerLost,
    SpeakerReady,
)
from policies.model.health import HealthState
from policies.model.ids import Prefix, TunnelId
from policies.model.view import (
    ARRIVES,
    NOTHING,
    Heard,
    LivenessState,
    LivenessView,
    PathSeen,
    Replaced,
    SessionState,
    SessionView,
    View,
)
from policies.targets import taken

STARTING = timedelta(seconds=15)
"""How long after a tunnel was first known its deaths are those of a start, not of a tunnel."""

LIVED_LONG = timedelta(minutes=1)
"""How long a tunnel must have lived for an earlier death not to count when it is found dead by probes alone."""


def observe(view: View, event: Event) -> View:
    """The view after this event. The same events in the same order always give the same view."""
    match event:
        case ForwarderConnected() | ForwarderLost() | LivenessChanged() | ClassChanged() | ClassGone() | PathAnswered():
            return _observe_forwarder(view, event)
        case SpeakerConnected() | SpeakerReady() | SpeakerLost():
            return _observe_speaker(view, event)
        case SessionChanged():
            return _with_session(view, event.tunnel, lambda was: _session_changed(was, event))
        case RoutesHeard():
            return _with_session(view, event.tunnel, lambda was: _heard(was, event))
        case RoutesWithdrawn():
            gone = set(event.prefixes)
            return _with_session(
                view,
                event.tunnel,
                lambda was: replace(was, heard={p: h for p, h in was.heard.items() if p not in gone}),
            )
        case EndOfRibHeard():
            return _with_session(view, event.tunnel, _end_of_rib)
        case AnnouncementsSent():
            live = view.liveness_of(event.tunnel).state is LivenessState.UP
            return _with_session(view, event.tunnel, lambda was: _sent(was, event, live=live))
        case SetSent():
            live = view.liveness_of(event.tunnel).state is LivenessState.UP
            return _with_session(view, event.tunnel, lambda was: _set_sent(was, event.at, live=live))
        case RouteRefused() | SamplesTaken() | HealthChanged() | InForceChanged() | Adjusted() | ChecksTaken():
            return _observe_judgement(view, event)
        case _:
            assert_never(event)


def without_strangers(view: View, tunnels: frozenset[TunnelId], branches: frozenset[str]) -> View:
    """The view without what belongs to tunnels and branches that are no longer configured.

    Classes stay: they are what is in the kernel, and go when the forwarder says so.
    """
    return replace(
        view,
        liveness={t: liveness for t, liveness in view.liveness.items() if t in tunnels},
        sessions={t: session for t, session in view.sessions.items() if t in tunnels},
        undrained={t: at for t, at in view.undrained.items() if t in tunnels},
        health={t: health for t, health in view.health.items() if t in tunnels},
        in_force={name: said for name, said in view.in_force.items() if name in branches},
        adjustments={name: change for name, change in view.adjustments.items() if name in branches},
        paths={key: path for key, path in view.paths.items() if key[0] in branches},
    )


_Judgement = RouteRefused | SamplesTaken | HealthChanged | InForceChanged | Adjusted | ChecksTaken


def _observe_judgement(view: View, event: _Judgement) -> View:
    match event:
        case RouteRefused() | SamplesTaken():
            return view
        case HealthChanged():
            was, health = view.health_of(event.tunnel), event.health
            ceased = was.state is HealthState.DEGRADED and health.state is not HealthState.DEGRADED
            recovered = health.since if ceased else was.recovered
            health = replace(health, recovered=max(recovered, health.recovered))
            return replace(view, health={**view.health, event.tunnel: health})
        case InForceChanged():
            before = {tunnel for said in view.in_force.values() for tunnel in said.drained}
            still = {tunnel for said in event.in_force.values() for tunnel in said.drained}
            ended = dict.fromkeys(before - still, event.at)
            return replace(view, in_force=event.in_force, undrained={**event.undrained, **view.undrained, **ended})
        case Adjusted():
            return replace(view, adjustments=event.adjustments)
        case ChecksTaken():
            return replace(view, targets=taken(view, event))


_ForwarderEvent = ForwarderConnected | ForwarderLost | LivenessChanged | ClassChanged | ClassGone | PathAnswered


def _observe_forwarder(view: View, event: _ForwarderEvent) -> View:
    match event:
        case ForwarderConnected():
            paths = {key: PathSeen(tunnel, at, at) for key, (tunnel, at) in event.paths.items()}
            for tunnel, liveness in _reported(view, event.liveness).items():
                view = _lives_or_dies(view, tunnel, liveness)
            known = {tunnel: view.liveness[tunnel] for tunnel in event.liveness}
            return replace(view, forwarder=True, liveness=known, classes=event.classes, paths=paths)
        case ForwarderLost():
            return replace(view, forwarder=False)
        case LivenessChanged():
            return _lives_or_dies(view, event.tunnel, _with_past(view.liveness_of(event.tunnel), event.liveness))
        case ClassChanged():
            return replace(view, classes={**view.classes, event.state.name: event.state})
        case ClassGone():
            return replace(view, classes={name: c for name, c in view.classes.items() if name != event.name})
        case PathAnswered():
            key = (event.branch, event.version)
            was = view.paths.get(key)
            since = was.since if was is not None and was.tunnel == event.tunnel else event.at
            return replace(view, paths={**view.paths, key: PathSeen(event.tunnel, since, event.at)})
        case _:
            assert_never(event)


def _lives_or_dies(view: View, tunnel: TunnelId, now: LivenessView) -> View:
    """A tunnel's liveness, and what that means for what its branch may hold from it."""
    was = view.liveness_of(tunnel)
    now = replace(now, certain_since=was.certain_since if now.state is was.state else max(now.since, was.since))
    view = replace(view, liveness={**view.liveness, tunnel: now})
    if now.state is was.state or tunnel not in view.sessions:
        return view
    if now.state is LivenessState.DOWN:
        return _with_session(view, tunnel, lambda session: _may_still_hold(session, now.since))
    if now.state is LivenessState.UP:
        # What is not certain to have lived is not believed to have received anything.
        return _with_session(view, tunnel, lambda session: _will_arrive(session, now.certain_since))
    return view


def _with_past(was: LivenessView, now: LivenessView) -> LivenessView:
    """What a tunnel did while everything was starting is hardly held against it: most often it comes up for good."""
    if now.state is LivenessState.UNKNOWN:
        return replace(now, after_death=was.after_death, faltered=was.faltered, known_since=was.known_since)
    if was.state is LivenessState.UNKNOWN and was.known_since == NEVER:
        return replace(now, after_death=False, known_since=now.since)
    started = now.since - was.known_since > STARTING.total_seconds()
    dies = was.state is LivenessState.UP and now.state is LivenessState.DOWN
    if dies and not now.hard:
        # Its session stands: if it had long lived till then, it waits for no more than what TCP needs to catch up.
        after_death = was.after_death and now.since - was.since < LIVED_LONG.total_seconds()
    else:
        changed = (now.state, now.hard) != (was.state, was.hard)
        only_found_dead = now.state is LivenessState.UP and not was.hard
        after_death = was.after_death or (started and changed and not only_found_dead)
    return replace(now, after_death=after_death, faltered=was.faltered or dies, known_since=was.known_since)


def _reported(view: View, reported: Mapping[TunnelId, LivenessView]) -> Mapping[TunnelId, LivenessView]:
    """What a forwarder says when it is connected; what is remembered of a tunnel's past outlives the forwarder."""
    return {
        tunnel: _with_past(view.liveness[tunnel], liveness) if tunnel in view.liveness else liveness
        for tunnel, liveness in reported.items()
    }


def _observe_speaker(view: View, event: SpeakerConnected | SpeakerReady | SpeakerLost) -> View:
    match event:
        case SpeakerConnected():
            sessions: Mapping[TunnelId, SessionView] = {
                t: replace(s, state=SessionState.UNKNOWN) if t in event.tunnels else s for t, s in view.sessions.items()
            }
            return replace(view, speakers=view.speakers - {event.process}, sessions=sessions)
        case SpeakerReady():
            unnamed = "not among the sessions that ExaBGP has"
            sessions = _all_down(view, event.tunnels, event.at, unnamed, SessionState.UNKNOWN)
            return replace(view, speakers=view.speakers | {event.process}, sessions=sessions)
        case SpeakerLost():
            sessions = view.sessions
            if event.exabgp_gone:
                sessions = _all_down(view, event.tunnels, event.at, "ExaBGP is not running", None)
            return replace(view, speakers=view.speakers - {event.process}, sessions=sessions)
        case _:
            assert_never(event)


def _all_down(
    view: View, tunnels: frozenset[TunnelId], at: Instant, reason: str, only: SessionState | None
) -> Mapping[TunnelId, SessionView]:
    """The sessions of these tunnels down, or only those in the given state."""
    return {
        tunnel: _down(session, at, reason)
        if tunnel in tunnels and session.state is not SessionState.DOWN and only in (None, session.state)
        else session
        for tunnel, session in view.sessions.items()
    }


def _with_session(view: View, tunnel: TunnelId, change: Callable[[SessionView], SessionView]) -> View:
    return replace(view, sessions={**view.sessions, tunnel: change(view.session_of(tunnel))})


def _session_changed(was: SessionView, event: SessionChanged) -> SessionView:
    if event.state is SessionState.UP:
        return replace(
            was,
            state=SessionState.UP,
            since=event.at,
            reason=event.reason,
            complete=False,
            sent=NOTHING,
            sent_before=_lowest(_may_still_hold(was, event.at).sent_before, was.sent),
            replaced={},
            heard=_held(was, event.at),
            end_of_rib=False,
            # Of one that was not known to be down it is not known for how long it was.
            lost=was.lost if was.state is SessionState.DOWN else event.at,
        )
    if event.state is was.state is SessionState.DOWN:
        return replace(was, reason=event.reason)
    return replace(_down(was, event.at, event.reason), state=event.state)


def _down(was: SessionView, at: Instant, reason: str) -> SessionView:
    """The branch may keep what it was sent, and we keep what it announced: as long as its tunnel lives."""
    return replace(
        _may_still_hold(was, at),
        state=SessionState.DOWN,
        since=at,
        reason=reason,
        complete=False,
        heard=_held(was, at),
        end_of_rib=False,
        lost=at if was.state is SessionState.UP else was.lost,
    )


def _held(was: SessionView, at: Instant) -> Mapping[Prefix, Heard]:
    return {
        prefix: heard if heard.held_since is not None else Heard(heard.since, at) for prefix, heard in was.heard.items()
    }


def _may_still_hold(was: SessionView, ended: Instant) -> SessionView:
    """Its tunnel or its session ended: what was replaced shortly before, the branch may still hold."""
    return replace(was, sent_before=_lowest(was.sent_before, _replaced_lately(was, ended)), replaced={})


def _will_arrive(was: SessionView, at: Instant) -> SessionView:
    """Its tunnel lives and all was sent: TCP delivers it, unless the tunnel dies before."""
    if was.state is not SessionState.UP or not was.complete:
        return was
    return replace(_replacing(was, was.sent_before, at), sent_before=NOTHING)


def _replacing(was: SessionView, taken_back: Mapping[Prefix, Announcement], at: Instant) -> SessionView:
    """Another value takes the place of these; of what was replaced shortly before, the lowest may still be held."""
    if not taken_back:
        return was
    lowest = _lowest(_replaced_lately(was, at), taken_back)
    return replace(was, replaced={prefix: Replaced(said, at) for prefix, said in lowest.items()})


def _replaced_lately(was: SessionView, at: Instant) -> Mapping[Prefix, Announcement]:
    """What was replaced so shortly before that the change may not have arrived."""
    return {p: r.announcement for p, r in was.replaced.items() if at - r.at < ARRIVES.total_seconds()}


def _lowest(one: Mapping[Prefix, Announcement], other: Mapping[Prefix, Announcement]) -> Mapping[Prefix, Announcement]:
    merged = dict(one)
    for prefix, said in other.items():
        known = merged.get(prefix)
        merged[prefix] = said if known is None or said.med < known.med else known
    return merged


def _heard(was: SessionView, event: RoutesHeard) -> SessionView:
    heard = dict(was.heard)
    for prefix in event.prefixes:
        known = heard.get(prefix)
        heard[prefix] = Heard(event.at if known is None else known.since)
    return replace(was, heard=heard)


def _end_of_rib(was: SessionView) -> SessionView:
    """What the branch did not announce again on this session, it no longer has."""
    fresh = {prefix: heard for prefix, heard in was.heard.items() if heard.held_since is None}
    return replace(was, heard=fresh, end_of_rib=True)


def _set_sent(was: SessionView, at: Instant, *, live: bool) -> SessionView:
    """Into a tunnel that may be dead it was sent, but not received: what the branch holds is still what it held."""
    complete = replace(was, complete=True)
    return _will_arrive(complete, at) if live else complete


def _sent(was: SessionView, event: AnnouncementsSent, *, live: bool) -> SessionView:
    taken_back = {
        prefix: said
        for prefix, said in was.sent.items()
        if prefix in event.withdrawn or (prefix in event.announced and said.med < event.announced[prefix].med)
    }
    sent = {p: said for p, said in was.sent.items() if p not in event.withdrawn}
    sent.update(event.announced)
    sent_at = event.at if event.announced else was.sent_at
    if not live:
        return replace(was, sent=sent, sent_at=sent_at, sent_before=_lowest(was.sent_before, taken_back))
    return replace(_replacing(was, taken_back, event.at), sent=sent, sent_at=sent_at)
