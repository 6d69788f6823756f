"""Which tunnel a branch should be on, guard by guard."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from ipaddress import ip_network

import pytest
from small_network import a_branch, moment

from policies.choice import Choice, choose
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.health import Figures, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.policy import Failback, FailbackMode, TimeWindow
from policies.model.verdicts import Reason
from policies.model.view import LivenessState, LivenessView, SessionState, SessionView, View
from policies.ranking import present_order
from policies.steering import plain_steering

NOW = Instant(1000.0)
BRANCH = a_branch()
FIBER, WIRELESS = (tunnel.id for tunnel in BRANCH.tunnels)
AUTOMATIC = Failback(FailbackMode.AUTOMATIC, timedelta(seconds=60))
NEVER = Failback(FailbackMode.NEVER, timedelta(seconds=60))
UP, DOWN, UNKNOWN = LivenessState.UP, LivenessState.DOWN, LivenessState.UNKNOWN


def view(
    fiber: LivenessState = UP,
    wireless: LivenessState = UP,
    *,
    fiber_since: float = 1.0,
    fiber_died: bool = True,
    fiber_told: bool = True,
) -> View:
    session = SessionView(SessionState.UP, complete=True)
    return View(
        liveness={
            FIBER: LivenessView(fiber, Instant(fiber_since), "", after_death=fiber_died),
            WIRELESS: LivenessView(wireless, Instant(0.0), ""),
        },
        sessions={FIBER: SessionView(SessionState.UP, complete=fiber_told), WIRELESS: session},
        forwarder=True,
    )


def chosen(believed: View, current: TunnelId | None, failback: Failback) -> Choice:
    steering = replace(plain_steering(BRANCH), failback=failback)
    return choose(present_order(BRANCH, believed, NOW), current, steering, believed, moment(NOW))


@pytest.mark.parametrize(
    ("believed", "current", "failback", "tunnel", "reason"),
    [
        (view(), None, AUTOMATIC, FIBER, Reason.PREFERRED),
        (view(), FIBER, AUTOMATIC, FIBER, Reason.PREFERRED),
        (view(fiber=DOWN), FIBER, AUTOMATIC, WIRELESS, Reason.ONLY_USABLE),
        (view(fiber=UNKNOWN), None, AUTOMATIC, WIRELESS, Reason.ONLY_USABLE),
        (view(fiber=UNKNOWN, wireless=UNKNOWN), None, AUTOMATIC, FIBER, Reason.NOT_YET),
        (view(fiber=UNKNOWN, wireless=DOWN), WIRELESS, AUTOMATIC, FIBER, Reason.NOT_YET),
        (view(fiber=DOWN, wireless=DOWN), WIRELESS, AUTOMATIC, WIRELESS, Reason.NO_TUNNEL),
        (view(), WIRELESS, AUTOMATIC, FIBER, Reason.MOVING),
        (view(fiber_since=950.0), WIRELESS, AUTOMATIC, WIRELESS, Reason.HELD_BACK),
        (view(fiber_since=950.0, fiber_died=False), WIRELESS, AUTOMATIC, FIBER, Reason.MOVING),
        (view(fiber_told=False), WIRELESS, AUTOMATIC, WIRELESS, Reason.WAITING_FOR_SESSION),
        (view(), WIRELESS, NEVER, WIRELESS, Reason.FAILBACK_NEVER),
        (view(wireless=DOWN), WIRELESS, NEVER, FIBER, Reason.PREFERRED),
        (view(wireless=UNKNOWN), WIRELESS, AUTOMATIC, WIRELESS, Reason.NOT_YET),
        (replace(view(fiber=DOWN), forwarder=False), FIBER, AUTOMATIC, FIBER, Reason.BLIND),
        (replace(view(), forwarder=False), WIRELESS, AUTOMATIC, WIRELESS, Reason.BLIND),
    ],
)
def test_the_choice_and_its_reason(
    believed: View, current: TunnelId | None, failback: Failback, tunnel: TunnelId, reason: Reason
) -> None:
    choice = chosen(believed, current, failback)
    assert (choice.tunnel, choice.reason) == (tunnel, reason)


def test_without_a_forwarder_the_branch_is_left_where_it_was_told_to_be() -> None:
    prefix = ip_network("10.0.0.0/16")
    told = {FIBER: {prefix: Announcement(1000)}, WIRELESS: {prefix: Announcement(990)}}
    sessions = {tunnel: SessionView(SessionState.UP, complete=True, sent=sent) for tunnel, sent in told.items()}
    believed = View(sessions=sessions)
    assert chosen(believed, None, AUTOMATIC).tunnel == WIRELESS


def test_a_hold_says_when_it_ends() -> None:
    believed = view(fiber_since=950.0)
    choice = chosen(believed, WIRELESS, AUTOMATIC)
    assert choice.wake_at == Instant(1010.0)


@pytest.mark.parametrize(("lives_since", "tunnel"), [(991.0, WIRELESS), (989.0, FIBER)])
def test_after_a_death_that_counts_for_little_the_hold_is_ten_seconds(lives_since: float, tunnel: TunnelId) -> None:
    believed = view()
    faltered = LivenessView(UP, Instant(lives_since), after_death=False, faltered=True)
    believed = replace(believed, liveness={**believed.liveness, FIBER: faltered})
    assert chosen(believed, WIRELESS, AUTOMATIC).tunnel == tunnel


def held(med: int) -> SessionView:
    return SessionView(SessionState.UP, complete=True, sent={ip_network("10.0.0.0/16"): Announcement(med)})


def test_without_a_class_it_starts_where_the_branch_was_told_to_be() -> None:
    """A forwarder without its state file knows no class and no tunnel: the branch is left where it is."""
    believed = replace(view(UNKNOWN, UNKNOWN), sessions={FIBER: held(1000), WIRELESS: held(990)})
    choice = chosen(believed, None, AUTOMATIC)
    assert (choice.tunnel, choice.reason) == (WIRELESS, Reason.NOT_YET)


def test_without_a_class_it_does_not_start_on_a_dead_tunnel() -> None:
    believed = replace(view(UP, DOWN), sessions={FIBER: held(1000), WIRELESS: held(990)})
    assert chosen(believed, None, AUTOMATIC).tunnel == FIBER


@pytest.mark.parametrize(
    ("case", "session_since", "tunnel"),
    [
        ("TCP may still have to send again what was sent into the dead tunnel", 900.0, WIRELESS),
        ("a session that is younger than the return has nothing to send again", 996.0, FIBER),
    ],
)
def test_a_short_hold_waits_for_what_a_session_sent_into_the_dead_tunnel(
    case: str, session_since: float, tunnel: TunnelId
) -> None:
    believed = view(fiber_since=995.0)
    young = SessionView(SessionState.UP, since=Instant(session_since), complete=True)
    believed = replace(believed, sessions={**believed.sessions, FIBER: young})
    short = Failback(FailbackMode.AUTOMATIC, timedelta(seconds=1))
    assert chosen(believed, WIRELESS, short).tunnel == tunnel, case


MANUAL = Failback(FailbackMode.MANUAL, timedelta(seconds=60))
LUNCH = TimeWindow(frozenset(range(7)), time(12), time(13))
AT_LUNCH = Failback(FailbackMode.WINDOW, timedelta(seconds=60), (LUNCH,))
AT_NIGHT = Failback(FailbackMode.WINDOW, timedelta(seconds=60), (TimeWindow(frozenset(range(7)), time(22), time(5)),))
GOOD, BAD = HealthView(HealthState.UP), HealthView(HealthState.DEGRADED)


def health(fiber: HealthView = GOOD, wireless: HealthView = GOOD) -> View:
    return replace(view(), health={FIBER: fiber, WIRELESS: wireless})


def steered(
    believed: View, current: TunnelId, failback: Failback = AUTOMATIC, moved: float = 0.0, **said: object
) -> tuple[str | None, Reason]:
    steering = replace(plain_steering(BRANCH), failback=failback, **said)  # type: ignore[arg-type]
    ranking = present_order(BRANCH, believed, NOW, steering)
    choice = choose(ranking, current, steering, believed, moment(NOW), Instant(moved))
    return (None if choice.tunnel is None else choice.tunnel.name), choice.reason


def bad(loss: float) -> HealthView:
    return HealthView(HealthState.DEGRADED, figures=Figures(loss=loss))


def without_session(*, lost: float, back: float, lives_since: float = 1.0) -> View:
    again = SessionView(SessionState.UP, Instant(back), complete=True, lost=Instant(lost))
    believed = view(fiber_since=lives_since)
    return replace(believed, sessions={**believed.sessions, FIBER: again})


def bad_since(since: float) -> HealthView:
    return HealthView(HealthState.DEGRADED, Instant(since))


DAMPED = HealthView(HealthState.UP, suppressed_until=Instant(1500.0))
JUST_RECOVERED = HealthView(HealthState.UP, recovered=Instant(970.0))


@pytest.mark.parametrize(
    ("case", "decided", "expected"),
    [
        (
            "a bad tunnel is left",
            steered(health(BAD), FIBER),
            ("wireless", Reason.MOVING),
        ),
        (
            "and not gone back to",
            steered(health(BAD), WIRELESS),
            ("wireless", Reason.DEGRADED_LEFT),
        ),
        (
            "unless it is said not to matter",
            steered(health(BAD), FIBER, ignore_degraded=True),
            ("fiber", Reason.PREFERRED),
        ),
        (
            "it is left also where failback never happens",
            steered(health(BAD), FIBER, NEVER),
            ("wireless", Reason.MOVING),
        ),
        (
            "one that recovered waits",
            steered(health(JUST_RECOVERED), WIRELESS),
            ("wireless", Reason.HELD_BACK),
        ),
        (
            "not out of a bad one",
            steered(health(JUST_RECOVERED, BAD), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "one that flaps is damped",
            steered(health(DAMPED), WIRELESS),
            ("wireless", Reason.DAMPED),
        ),
        (
            "damping takes nobody away",
            steered(health(DAMPED), FIBER),
            ("fiber", Reason.PREFERRED),
        ),
        (
            "of two bad ones a much better one is gone to",
            steered(health(bad(0.05), bad(0.5)), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "but not at once after a move",
            steered(health(bad(0.05), bad(0.5)), WIRELESS, moved=950.0),
            ("wireless", Reason.LEAST_BAD),
        ),
        (
            "a little better is not enough",
            steered(health(bad(0.04), bad(0.06)), WIRELESS, moved=900.0),
            ("wireless", Reason.LEAST_BAD),
        ),
        (
            "but in the end it is",
            steered(health(bad(0.04), bad(0.06)), WIRELESS, moved=300.0),
            ("fiber", Reason.MOVING),
        ),
        (
            "drained is left at once",
            steered(view(), FIBER, NEVER, drained=frozenset({FIBER})),
            ("wireless", Reason.MOVING),
        ),
        (
            "also for one that has just come back",
            steered(view(fiber_since=995.0), WIRELESS, drained=frozenset({WIRELESS})),
            ("fiber", Reason.MOVING),
        ),
        (
            "and not gone back to",
            steered(view(), WIRELESS, drained=frozenset({FIBER})),
            ("wireless", Reason.DRAINED_LEFT),
        ),
        (
            "drained carries when nothing else can",
            steered(view(fiber=DOWN), WIRELESS, drained=frozenset({WIRELESS})),
            ("wireless", Reason.NOTHING_ELSE),
        ),
        (
            "a switch moves",
            steered(view(), FIBER, switched=WIRELESS),
            ("wireless", Reason.MOVING),
        ),
        (
            "also where failback never happens",
            steered(view(), FIBER, NEVER, switched=WIRELESS),
            ("wireless", Reason.MOVING),
        ),
        (
            "and holds",
            steered(view(), WIRELESS, switched=WIRELESS),
            ("wireless", Reason.SWITCHED),
        ),
        (
            "but not on a bad tunnel",
            steered(health(GOOD, BAD), WIRELESS, switched=WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "manual waits for a word",
            steered(view(), WIRELESS, MANUAL),
            ("wireless", Reason.WAITING_FOR_WORD),
        ),
        (
            "and gets it",
            steered(view(), WIRELESS, MANUAL, go_back=True),
            ("fiber", Reason.MOVING),
        ),
        (
            "a tunnel that was well all the while was not left by need: the ranking is another one",
            steered(view(fiber_since=300.0), WIRELESS, NEVER, moved=500.0),
            ("fiber", Reason.MOVING),
        ),
        (
            "a bad tunnel is left for one that was damped",
            steered(health(DAMPED, BAD), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "but once a hold: what goes on flapping is worse than bad",
            steered(health(DAMPED, BAD), WIRELESS, moved=950.0),
            ("wireless", Reason.DAMPED),
        ),
        (
            "one whose session was away for long waits for its hold",
            steered(without_session(lost=960.0, back=970.0), WIRELESS),
            ("wireless", Reason.HELD_BACK),
        ),
        (
            "one whose session was away for seconds does not",
            steered(without_session(lost=967.0, back=970.0), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "nor does one whose session went with its tunnel: that has a hold of its own",
            steered(without_session(lost=900.0, back=970.0, lives_since=935.0), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "and where failback never happens it is not returned to",
            steered(without_session(lost=700.0, back=800.0), WIRELESS, NEVER, moved=706.0),
            ("wireless", Reason.FAILBACK_NEVER),
        ),
        (
            "what is no longer drained waits for its hold",
            steered(replace(view(), undrained={FIBER: Instant(970.0)}), WIRELESS),
            ("wireless", Reason.HELD_BACK),
        ),
        (
            "also where the present one is degraded",
            steered(replace(health(GOOD, bad_since(900.0)), undrained={FIBER: Instant(970.0)}), WIRELESS),
            ("wireless", Reason.HELD_BACK),
        ),
        (
            "then it is gone to",
            steered(replace(health(GOOD, bad_since(900.0)), undrained={FIBER: Instant(930.0)}), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "not for long where that is news",
            steered(replace(health(GOOD, bad_since(980.0)), undrained={FIBER: Instant(970.0)}), WIRELESS),
            ("fiber", Reason.MOVING),
        ),
        (
            "but for ten seconds",
            steered(replace(health(GOOD, bad_since(997.0)), undrained={FIBER: Instant(995.0)}), WIRELESS),
            ("wireless", Reason.HELD_BACK),
        ),
        (
            "and not at all where the present one is drained",
            steered(replace(view(), undrained={FIBER: Instant(999.0)}), WIRELESS, drained=frozenset({WIRELESS})),
            ("fiber", Reason.MOVING),
        ),
        (
            "or dead",
            steered(replace(view(wireless=DOWN), undrained={FIBER: Instant(999.0)}), WIRELESS),
            ("fiber", Reason.PREFERRED),
        ),
        (
            "a word does not shorten the hold",
            steered(view(fiber_since=950.0), WIRELESS, MANUAL, go_back=True),
            ("wireless", Reason.HELD_BACK),
        ),
        (
            "inside the window",
            steered(view(), WIRELESS, AT_LUNCH),
            ("fiber", Reason.MOVING),
        ),
        (
            "outside",
            steered(view(), WIRELESS, AT_NIGHT),
            ("wireless", Reason.OUTSIDE_WINDOW),
        ),
        (
            "a bad tunnel is left outside the window too",
            steered(health(GOOD, BAD), WIRELESS, AT_NIGHT),
            ("fiber", Reason.MOVING),
        ),
        (
            "frozen stays on a bad tunnel",
            steered(health(BAD), FIBER, frozen=True),
            ("fiber", Reason.FROZEN),
        ),
        (
            "frozen still leaves a dead one",
            steered(view(fiber=DOWN), FIBER, frozen=True),
            ("wireless", Reason.ONLY_USABLE),
        ),
    ],
)
def test_health_drains_and_what_operators_say(
    case: str, decided: tuple[str | None, Reason], expected: tuple[str | None, Reason]
) -> None:
    assert decided == expected, case


def test_a_closed_window_says_when_it_opens() -> None:
    choice = chosen(view(), WIRELESS, AT_NIGHT)
    assert choice.wake_at == Instant(NOW + 10 * 3600)  # it is noon
