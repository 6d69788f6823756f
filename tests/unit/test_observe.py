"""How belief changes, event by event."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.events import (
    AnnouncementsSent,
    EndOfRibHeard,
    Event,
    ForwarderConnected,
    ForwarderLost,
    LivenessChanged,
    PathAnswered,
    RoutesHeard,
    RoutesWithdrawn,
    SessionChanged,
    SetSent,
    SpeakerConnected,
    SpeakerLost,
    SpeakerReady,
)
from policies.model.ids import TunnelId
from policies.model.view import Heard, LivenessState, LivenessView, SessionState, View
from policies.observe import observe

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
ALL = frozenset({FIBER, WIRELESS})
LAN, HQ = ip_network("10.1.0.0/24"), ip_network("10.0.0.0/16")
UP, DOWN = SessionState.UP, SessionState.DOWN


def at(seconds: float) -> Instant:
    return Instant(seconds)


def after(*events: Event) -> View:
    view = View()
    for event in events:
        view = observe(view, event)
    return view


def session_up(when: float) -> SessionChanged:
    return SessionChanged(FIBER, UP, at(when))


def sent(med: int, when: float) -> AnnouncementsSent:
    return AnnouncementsSent(FIBER, {HQ: Announcement(med)}, (), at(when))


def test_nothing_is_known_of_what_was_not_said() -> None:
    view = View()
    assert view.liveness_of(FIBER).state is LivenessState.UNKNOWN
    assert view.session_of(FIBER).state is SessionState.UNKNOWN


def test_a_tunnel_that_comes_up_for_the_first_time_was_not_dead() -> None:
    up = LivenessView(LivenessState.UP, at(2))
    assert not after(LivenessChanged(FIBER, up)).liveness_of(FIBER).after_death


def lives(*states: tuple[LivenessState, float]) -> View:
    return after(*(LivenessChanged(FIBER, LivenessView(state, at(when))) for state, when in states))


def test_a_tunnel_that_comes_up_again_was_dead() -> None:
    up, down = LivenessState.UP, LivenessState.DOWN
    assert lives((up, 1), (down, 100), (up, 101)).liveness_of(FIBER).after_death


def test_a_tunnel_that_falters_while_everything_starts_was_not_dead() -> None:
    up, down = LivenessState.UP, LivenessState.DOWN
    assert not lives((down, 1), (up, 3), (down, 4), (up, 5)).liveness_of(FIBER).after_death


@pytest.mark.parametrize(
    ("states", "faltered"),
    [
        ([(LivenessState.UP, 1)], False),
        ([(LivenessState.DOWN, 1), (LivenessState.UP, 3)], False),
        ([(LivenessState.UP, 1), (LivenessState.DOWN, 2), (LivenessState.UP, 3)], True),
        ([(LivenessState.UP, 1), (LivenessState.DOWN, 2), (LivenessState.UNKNOWN, 3), (LivenessState.UP, 4)], True),
    ],
)
def test_but_that_it_faltered_is_remembered(states: list[tuple[LivenessState, float]], faltered: bool) -> None:
    assert lives(*states).liveness_of(FIBER).faltered is faltered


def test_a_tunnel_that_goes_on_faltering_was_dead() -> None:
    up, down = LivenessState.UP, LivenessState.DOWN
    assert lives((up, 1), (down, 4), (up, 5), (down, 20), (up, 21)).liveness_of(FIBER).after_death


@pytest.mark.parametrize(
    ("died_before", "lived_for", "held"), [(False, 30, False), (True, 30, True), (True, 90, False), (False, 90, False)]
)
def test_a_tunnel_only_found_dead_by_probes_is_not_held_back_if_it_had_lived_for_long(
    died_before: bool, lived_for: int, held: bool
) -> None:
    up, down = LivenessState.UP, LivenessState.DOWN
    before = lives((up, 1), (down, 100), (up, 200)) if died_before else lives((up, 100))
    died = 200 + lived_for
    view = observe(before, LivenessChanged(FIBER, LivenessView(down, at(died), hard=False)))
    assert observe(view, LivenessChanged(FIBER, LivenessView(up, at(died + 2)))).liveness_of(FIBER).after_death is held


def test_a_tunnel_found_dead_by_probes_and_then_by_its_session_was_dead() -> None:
    up, down = LivenessState.UP, LivenessState.DOWN
    view = lives((up, 1))
    for liveness in (
        LivenessView(down, at(100), hard=False),
        LivenessView(down, at(100), hard=True),
        LivenessView(up, at(102)),
    ):
        view = observe(view, LivenessChanged(FIBER, liveness))
    assert view.liveness_of(FIBER).after_death


def test_a_tunnel_that_was_dead_for_hours_when_first_known_was_dead() -> None:
    assert lives((LivenessState.DOWN, 1), (LivenessState.UP, 7200)).liveness_of(FIBER).after_death


def test_what_is_remembered_of_a_tunnel_outlives_the_forwarder() -> None:
    dead = lives((LivenessState.UP, 1), (LivenessState.DOWN, 100))
    restarted = observe(dead, ForwarderConnected({FIBER: LivenessView(LivenessState.UNKNOWN, at(101))}, {}, {}))
    assert (
        observe(restarted, LivenessChanged(FIBER, LivenessView(LivenessState.UP, at(102))))
        .liveness_of(FIBER)
        .after_death
    )


def test_a_restarted_controller_does_not_know_and_holds() -> None:
    known = ForwarderConnected({FIBER: LivenessView(LivenessState.DOWN, at(1))}, {}, {})
    view = observe(after(known), LivenessChanged(FIBER, LivenessView(LivenessState.UP, at(2))))
    assert view.liveness_of(FIBER).after_death


def test_when_a_session_was_lost_is_remembered_while_it_is_down_and_after() -> None:
    lost = after(session_up(1), SessionChanged(FIBER, DOWN, at(5)), SessionChanged(FIBER, DOWN, at(6)))
    assert lost.session_of(FIBER).lost == at(5)
    assert observe(lost, session_up(9)).session_of(FIBER).lost == at(5)


def test_a_session_that_came_for_the_first_time_was_never_lost_for_long() -> None:
    assert after(SessionChanged(FIBER, DOWN, at(1)), session_up(9)).session_of(FIBER).lost == at(0)
    assert after(session_up(9)).session_of(FIBER).lost == at(9)


def test_what_a_lost_session_announced_is_held_with_its_age() -> None:
    view = after(session_up(1), RoutesHeard(FIBER, (LAN,), at(2)), SessionChanged(FIBER, DOWN, at(5)))
    assert view.session_of(FIBER).heard == {LAN: Heard(at(2), held_since=at(5))}


def test_a_withdrawal_is_obeyed() -> None:
    view = after(session_up(1), RoutesHeard(FIBER, (LAN,), at(2)), RoutesWithdrawn(FIBER, (LAN,), at(3)))
    assert not view.session_of(FIBER).heard


def test_what_is_not_announced_again_goes_with_the_end_of_rib() -> None:
    lost = (session_up(1), RoutesHeard(FIBER, (LAN,), at(2)), SessionChanged(FIBER, DOWN, at(5)))
    again = after(*lost, session_up(6))
    assert again.session_of(FIBER).heard[LAN].held_since == at(5)
    assert not observe(again, EndOfRibHeard(FIBER, at(7))).session_of(FIBER).heard


def test_what_is_announced_again_is_no_longer_held() -> None:
    lost = (session_up(1), RoutesHeard(FIBER, (LAN,), at(2)), SessionChanged(FIBER, DOWN, at(5)))
    view = after(*lost, session_up(6), RoutesHeard(FIBER, (LAN,), at(7)), EndOfRibHeard(FIBER, at(8)))
    assert view.session_of(FIBER).heard == {LAN: Heard(at(2))}


def test_the_branch_may_hold_what_earlier_sessions_sent_until_the_new_set_is_sent() -> None:
    first = (session_up(1), sent(990, 2), SessionChanged(FIBER, DOWN, at(3)))
    view = after(liveness(LIVE, 0), *first, session_up(4), sent(1000, 5))
    assert view.session_of(FIBER).lowest_held == 990
    assert observe(view, SetSent(FIBER, at(6))).session_of(FIBER).lowest_held == 1000


def test_a_session_that_is_lost_twice_leaves_the_lowest_value_of_both() -> None:
    first = (session_up(1), sent(980, 2), SessionChanged(FIBER, DOWN, at(3)))
    second = (session_up(4), sent(1000, 5), SessionChanged(FIBER, DOWN, at(6)), session_up(7))
    assert after(*first, *second).session_of(FIBER).lowest_held == 980


def test_a_session_that_is_down_for_another_reason_changes_in_nothing_else() -> None:
    ended = (session_up(1), RoutesHeard(FIBER, (LAN,), at(2)), sent(990, 3), SessionChanged(FIBER, DOWN, at(5), "once"))
    before, now = after(*ended), after(*ended, SessionChanged(FIBER, DOWN, at(9), "now"))
    assert before.sessions[FIBER].reason == "once"
    assert now == replace(before, sessions={FIBER: replace(before.sessions[FIBER], reason="now")})


def test_a_session_that_nobody_knew_of_goes_down_when_it_is_told_to_be() -> None:
    view = after(session_up(1), SpeakerConnected(1, ALL), SessionChanged(FIBER, DOWN, at(5), "once"))
    assert (view.session_of(FIBER).since, view.session_of(FIBER).reason) == (5, "once")


def test_a_dead_exabgp_takes_all_sessions_with_it_and_nothing_that_was_heard() -> None:
    view = after(session_up(1), RoutesHeard(FIBER, (LAN,), at(2)), SpeakerLost(at(9), exabgp_gone=True, tunnels=ALL))
    assert view.session_of(FIBER).state is DOWN
    assert view.session_of(FIBER).heard[LAN].held_since == at(9)


def test_a_lost_relay_says_nothing_of_the_sessions() -> None:
    view = after(session_up(1), SpeakerLost(at(9), exabgp_gone=False, tunnels=ALL))
    assert view.session_of(FIBER).state is UP
    assert not view.speakers


def test_a_session_that_the_relay_does_not_name_is_down() -> None:
    view = after(session_up(1), SpeakerConnected(tunnels=ALL), SpeakerReady(at(9), tunnels=ALL))
    assert view.session_of(FIBER).state is DOWN


def test_a_lost_forwarder_leaves_what_it_said() -> None:
    known = ForwarderConnected({FIBER: LivenessView(LivenessState.UP, at(1))}, {}, {})
    view = after(known, ForwarderLost())
    assert view.liveness_of(FIBER).state is LivenessState.UP
    assert not view.forwarder


def test_a_path_counts_from_the_first_answer_on_its_tunnel() -> None:
    view = after(
        *(PathAnswered("bandung", tunnel, at(when)) for tunnel, when in ((WIRELESS, 1), (FIBER, 2), (FIBER, 3)))
    )
    seen = view.paths[("bandung", 4)]
    assert (seen.tunnel, seen.since, seen.at) == (FIBER, at(2), at(3))


def liveness(state: LivenessState, when: float) -> LivenessChanged:
    return LivenessChanged(FIBER, LivenessView(state, at(when)))


LIVE, DEAD = LivenessState.UP, LivenessState.DOWN


def lowest_held(*events: Event) -> int | None:
    return after(liveness(LIVE, 1.0), session_up(2.0), *events).session_of(FIBER).lowest_held


def test_a_value_that_was_raised_shortly_before_the_death_may_still_be_held() -> None:
    """The raise was handed to TCP, but went into a tunnel that was dying already."""
    assert lowest_held(sent(990, 20.0), sent(1000, 40.0), liveness(DEAD, 40.1)) == 990


def test_so_it_is_when_the_raise_is_heard_of_after_the_death() -> None:
    assert lowest_held(sent(990, 20.0), liveness(DEAD, 40.1), sent(1000, 40.0)) == 990


def test_a_value_that_was_raised_long_before_the_death_is_gone() -> None:
    assert lowest_held(sent(990, 20.0), sent(1000, 40.0), liveness(DEAD, 60.0)) == 1000


def test_the_same_of_what_was_withdrawn() -> None:
    withdrawn = AnnouncementsSent(FIBER, {}, (HQ,), at(40.0))
    assert lowest_held(sent(990, 20.0), withdrawn, liveness(DEAD, 40.1)) == 990


def test_of_two_raises_the_lowest_value_may_be_held() -> None:
    assert lowest_held(sent(980, 20.0), sent(990, 39.0), sent(1000, 40.0), liveness(DEAD, 40.1)) == 980


def test_a_set_that_was_completed_into_a_dead_tunnel_replaces_nothing() -> None:
    assert lowest_held(sent(990, 20.0), liveness(DEAD, 40.1), sent(1000, 40.0), SetSent(FIBER, at(40.2))) == 990


def test_a_set_that_was_completed_shortly_before_the_death_may_not_have_arrived() -> None:
    again = (sent(990, 20.0), SessionChanged(FIBER, DOWN, at(30.0)), session_up(40.0), sent(1000, 40.1))
    complete = SetSent(FIBER, at(40.2))
    assert lowest_held(*again, complete, liveness(DEAD, 41.0)) == 990
    assert lowest_held(*again, complete, liveness(DEAD, 60.0)) == 1000


def test_into_a_tunnel_that_may_be_dead_nothing_is_known_to_arrive() -> None:
    unsure = (sent(990, 20.0), liveness(LivenessState.UNKNOWN, 30.0), sent(1000, 40.0), SetSent(FIBER, at(40.2)))
    assert lowest_held(*unsure) == 990
    assert lowest_held(*unsure, liveness(LIVE, 41.0)) == 1000


def test_a_forwarder_that_was_restarted_and_does_not_know_of_a_death_proves_no_arrival() -> None:
    forgets = ForwarderConnected({FIBER: LivenessView(LIVE, at(1.0))}, {}, {})
    assert lowest_held(sent(990, 20.0), sent(1000, 40.0), liveness(DEAD, 40.1), forgets, liveness(DEAD, 42.0)) == 990


def test_the_end_of_a_session_counts_like_a_death() -> None:
    assert lowest_held(sent(990, 20.0), sent(1000, 40.0), SessionChanged(FIBER, DOWN, at(40.1))) == 990


def test_once_the_tunnel_is_back_on_the_same_session_what_was_sent_arrives() -> None:
    complete = SetSent(FIBER, at(20.0))
    back = (sent(990, 20.0), complete, sent(1000, 40.0), liveness(DEAD, 40.1), liveness(LIVE, 41.0))
    assert lowest_held(*back) == 1000
    assert lowest_held(*back, liveness(DEAD, 42.0)) == 990  # too soon after: it may not have arrived
    assert lowest_held(*back, liveness(DEAD, 60.0)) == 1000


def test_a_forwarder_that_comes_back_with_a_death_counts_like_the_news_of_it() -> None:
    dead = ForwarderConnected({FIBER: LivenessView(DEAD, at(40.1))}, {}, {})
    assert lowest_held(sent(990, 20.0), sent(1000, 40.0), dead) == 990
