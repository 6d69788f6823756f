"""choice: which tunnel a branch should be on, given the one it is on.

The forwarder leaves a dead tunnel by itself. Here it is decided where to start, when to leave a bad one, and when to go
back. Guards from top to bottom, one return each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from policies.model.clock import NEVER, Instant, Now
from policies.model.ids import TunnelId
from policies.model.policy import Failback, FailbackMode
from policies.model.verdicts import Reason
from policies.model.view import ARRIVES, LivenessView, SessionState, View
from policies.ranking import SESSION_GRACE, Ranked, Usability
from policies.schedule import instant_of, next_change, within
from policies.steering import Steering

MUCH_BETTER = 2
"""By how many steps of loss or round trip a degraded tunnel is so much better that it is gone to after one hold."""

LITTLE_BETTER = 10
"""As many holds after the last move a degraded tunnel is left for one that is only a little less bad, or preferred."""
SHORT_HOLD = timedelta(seconds=10)
"""The longest hold after a death that counts for little, and where the tunnel in use is bad itself: health was good for
long before a tunnel is called good."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A Choice is the tunnel to be on, why, and when time alone could change that."""

    tunnel: TunnelId | None
    reason: Reason
    detail: str = ""
    wake_at: Instant | None = None


def choose(
    ranking: Sequence[Ranked],
    current: TunnelId | None,
    steering: Steering,
    view: View,
    now: Now,
    moved: Instant = NEVER,
) -> Choice:
    """The tunnel to be on. `ranking` is the present order; `current` is where the kernel is, None before the first.

    `now` has the branch's zone; `moved` is when the kernel last changed.
    """
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
    if present is None or best is present:
        return Choice(best.tunnel, _settled_reason(best, usable, ranking, steering))
    return _better_one(usable[: usable.index(present)], present, steering, view, now, moved)


def _already_preferred(ranking: Sequence[Ranked], view: View) -> TunnelId | None:
    """What the branch was told to use before we knew anything: the lowest value that it holds."""
    held = [(low, r.tunnel) for r in ranking if (low := view.session_of(r.tunnel).lowest_held) is not None]
    return min(held)[1] if held else (ranking[0].tunnel if ranking else None)


def _without_live_tunnel(ranking: Sequence[Ranked], current: TunnelId | None) -> Choice:
    unknown = [r.tunnel for r in ranking if r.usability is Usability.UNKNOWN]
    if unknown:
        return Choice(current if current in unknown else unknown[0], Reason.NOT_YET)
    return Choice(current, Reason.NO_TUNNEL)


def _settled_reason(on: Ranked, usable: Sequence[Ranked], ranking: Sequence[Ranked], steering: Steering) -> Reason:
    if on.usability is Usability.DRAINED:
        return Reason.NOTHING_ELSE
    if on.usability is Usability.DEGRADED and len(usable) > 1:
        return Reason.LEAST_BAD
    if on.standing == 0:
        return Reason.SWITCHED if on.tunnel == steering.switched else Reason.PREFERRED
    if len(usable) == 1 and len(ranking) > 1:
        return Reason.ONLY_USABLE
    preferred = next((r.usability for r in ranking if r.standing == 0), Usability.UP)
    left = {
        Usability.DEGRADED: Reason.DEGRADED_LEFT,
        Usability.DRAINED: Reason.DRAINED_LEFT,
        Usability.DOWN: Reason.DOWN_LEFT,
        Usability.UNKNOWN: Reason.DOWN_LEFT,
    }
    return left.get(preferred, Reason.PREFERRED)


def _better_one(
    better: Sequence[Ranked], present: Ranked, steering: Steering, view: View, now: Now, moved: Instant
) -> Choice:
    """The first of the better tunnels that traffic may go to now, else the present one with what is missing."""
    if steering.frozen and present.usability is not Usability.LEAVING:
        return Choice(present.tunnel, Reason.FROZEN)
    waiting: list[Choice] = []
    for candidate in better:
        waits = _waits(candidate, present, steering, view, now, moved)
        if waits is None:
            # Where the hub cannot follow it stays like this, so what ends the waiting of a still better one counts.
            sooner = min((w.wake_at for w in waiting if w.wake_at is not None), default=None)
            return Choice(candidate.tunnel, Reason.MOVING, candidate.tunnel.name, sooner)
        waiting.append(waits)
    return waiting[0]


def _waits(
    candidate: Ranked, present: Ranked, steering: Steering, view: View, now: Now, moved: Instant
) -> Choice | None:
    """What still speaks against going to this better tunnel; None: nothing."""
    against = speaks_against(candidate, present, steering, view, now, moved)
    if against is None and not _told_all(candidate.tunnel, view):
        against = Reason.WAITING_FOR_SESSION, None
    return None if against is None else Choice(present.tunnel, against[0], candidate.tunnel.name, against[1])


def speaks_against(
    candidate: Ranked, present: Ranked, steering: Steering, view: View, now: Now, moved: Instant
) -> tuple[Reason, Instant | None] | None:
    """Why traffic does not go from the present tunnel to a better one now, and until when; None: it goes.

    Of sessions nothing is asked here. `moved` is when the kernel last changed.
    """
    if present.usability in (Usability.DRAINED, Usability.LEAVING):
        return None  # out of what is about to go, or what somebody will work on, there is no waiting
    failback = steering.failback
    from_bad = present.usability is not Usability.UP
    waits = [
        (Reason.LEAST_BAD, _worth_it_at(candidate, present, failback, moved)),
        (Reason.HELD_BACK, may_return_at(candidate, failback, view, from_bad=from_bad)),
        (Reason.HELD_BACK, _settled_at(candidate, present, failback, view)),
        (Reason.DAMPED, _damped_until(candidate, failback, view, moved, from_bad=from_bad)),
    ]
    for reason, until in waits:
        if until > now.monotonic:
            return reason, until
    if from_bad or steering.go_back or candidate.tunnel == steering.switched:
        return None
    # What was well since before the last move was not left by need: the ranking is another one, and that is obeyed.
    return _not_by_itself(failback, now) if well_since(candidate, view) > moved else None


def _damped_until(candidate: Ranked, failback: Failback, view: View, moved: Instant, *, from_bad: bool) -> Instant:
    """Until when a tunnel that came and went is not returned to; out of a bad one at most a hold after the last move.

    One that goes on flapping is worse than a bad one: it is left at every death.
    """
    until = view.health_of(candidate.tunnel).suppressed_until
    return min(until, Instant(moved + failback.hold.total_seconds())) if from_bad else until


def _worth_it_at(candidate: Ranked, present: Ranked, failback: Failback, moved: Instant) -> Instant:
    """When a bad tunnel is left for another bad one: the less that gains, the longer after the last move."""
    if candidate.usability is not Usability.DEGRADED:
        return NEVER
    patience = 1 if _much_better(candidate, present) else LITTLE_BETTER
    return Instant(moved + patience * failback.hold.total_seconds())


def _much_better(candidate: Ranked, present: Ranked) -> bool:
    """Between two bad tunnels small differences change too often to follow them at once."""
    differences = [mine - its for mine, its in zip(present.badness, candidate.badness, strict=True)]
    return next((difference for difference in differences if difference), 0) >= MUCH_BETTER


def _not_by_itself(failback: Failback, now: Now) -> tuple[Reason, Instant | None] | None:
    """Why a better tunnel is not returned to although it is well, and until when; None: it is."""
    match failback.mode:
        case FailbackMode.AUTOMATIC:
            return None
        case FailbackMode.NEVER:
            return Reason.FAILBACK_NEVER, None
        case FailbackMode.MANUAL:
            return Reason.WAITING_FOR_WORD, None
        case FailbackMode.WINDOW:
            if within(failback.windows, now.wall):
                return None
            opens = next_change(failback.windows, now.wall)
            return Reason.OUTSIDE_WINDOW, None if opens is None else instant_of(opens, now)


def may_return_at(candidate: Ranked, failback: Failback, view: View, *, from_bad: bool = False) -> Instant:
    """When a tunnel that was dead, degraded, drained or without its session may be returned to.

    After the hold; out of a tunnel that is bad itself (`from_bad`) after a short one. And where its session is older
    than its return, not before TCP has sent again what was sent into the dead tunnel: the branch may not have it yet,
    and the boost of another would be given back too soon.
    """
    liveness, session = view.liveness_of(candidate.tunnel), view.session_of(candidate.tunnel)
    hold = _hold(liveness, failback, from_bad=from_bad)
    # Also a death while everything started, which is hardly held against it, may have swallowed what was sent.
    stood = session.state is SessionState.UP and max(session.since, liveness.known_since) < liveness.since
    lives = Instant(liveness.since + (max(hold, ARRIVES.total_seconds()) if stood else hold))
    returned = NEVER if from_bad else _in_order_since(candidate, view)
    return max(lives, Instant(returned + failback.hold.total_seconds())) if returned != NEVER else lives


def _hold(liveness: LivenessView, failback: Failback, *, from_bad: bool) -> float:
    """For how long a tunnel must have lived before it is returned to."""
    if not (liveness.after_death or liveness.faltered):
        return 0.0
    whole = failback.hold.total_seconds()
    return whole if liveness.after_death and not from_bad else min(whole, SHORT_HOLD.total_seconds())


def _settled_at(candidate: Ranked, present: Ranked, failback: Failback, view: View) -> Instant:
    """When a tunnel that was drained is gone to out of a degraded one, which can still carry.

    Somebody worked on it until just now, so it waits for its hold like any other. Where the present one became bad only
    after the drain had ended, that is news, and the hold is short.
    """
    undrained = view.undrained.get(candidate.tunnel, NEVER)
    if undrained == NEVER or present.usability is not Usability.DEGRADED:
        return NEVER
    is_news = view.health_of(present.tunnel).since > undrained
    hold = min(failback.hold, SHORT_HOLD) if is_news else failback.hold
    return Instant(undrained + hold.total_seconds())


def well_since(candidate: Ranked, view: View) -> Instant:
    """When it was last dead, degraded, drained or without its session; NEVER if it was none of them."""
    liveness = view.liveness_of(candidate.tunnel)
    return max(liveness.since if liveness.after_death else NEVER, _in_order_since(candidate, view))


def _in_order_since(candidate: Ranked, view: View) -> Instant:
    """When it last ceased to be degraded, drained or without its session for long; NEVER if it never was.

    A session that went with its tunnel is none of these: the tunnel has a hold of its own.
    """
    session, lives_since = view.session_of(candidate.tunnel), view.liveness_of(candidate.tunnel).since
    missing = session.lost > lives_since and session.since - session.lost > SESSION_GRACE.total_seconds()
    back = session.since if missing and session.state is SessionState.UP else NEVER
    return max(view.health_of(candidate.tunnel).recovered, view.undrained.get(candidate.tunnel, NEVER), back)


def _told_all(tunnel: TunnelId, view: View) -> bool:
    session = view.session_of(tunnel)
    return session.state is SessionState.UP and session.complete
