"""The session's state machine, timers and poll sequences: RFC 5880 section 6.8."""

from dataclasses import replace
from itertools import product

import pytest

from speaker.bfd.memory import Memory
from speaker.bfd.packet import ControlPacket, Diagnostic, State
from speaker.bfd.session import NOTHING, Session
from speaker.bfd.timing import NEVER, SLOW_INTERVAL, SessionTimers, transmit_wait
from speaker.bfd.transitions import TRANSITIONS

MS = 1_000_000
FAST = SessionTimers(50 * MS, 50 * MS, 5)
SLOW = SessionTimers(1000 * MS, 1000 * MS, 5)
OURS, THEIRS = 11, 22


def heard(state: State = State.UP, **more: object) -> ControlPacket:
    """A packet of the branch."""
    packet = ControlPacket(state, THEIRS, OURS, 50_000, 50_000, 3)
    return replace(packet, **more)  # type: ignore[arg-type]


def session_in(state: State, timers: SessionTimers = FAST) -> Session:
    """A session that went the ordinary way to a state, at time 0; a poll sequence that this began is over."""
    session = Session(OURS, timers, 0, lambda: 0.5)
    if state is State.ADMIN_DOWN:
        session.disable(0)
    if state in (State.INIT, State.UP):
        session.receive(heard(State.DOWN, desired_min_tx=1_000_000), 0, 0)
    if state is State.UP:
        session.receive(heard(State.UP, desired_min_tx=1_000_000), 0, 0)
        session.receive(heard(final=True), 0, 0)
    assert session.state is state
    return session


RFC_TABLE = {
    # (ours, theirs): ours then
    (State.DOWN, State.ADMIN_DOWN): State.DOWN,
    (State.DOWN, State.DOWN): State.INIT,
    (State.DOWN, State.INIT): State.UP,
    (State.DOWN, State.UP): State.DOWN,
    (State.INIT, State.ADMIN_DOWN): State.DOWN,
    (State.INIT, State.DOWN): State.INIT,
    (State.INIT, State.INIT): State.UP,
    (State.INIT, State.UP): State.UP,
    (State.UP, State.ADMIN_DOWN): State.DOWN,
    (State.UP, State.DOWN): State.DOWN,
    (State.UP, State.INIT): State.UP,
    (State.UP, State.UP): State.UP,
    (State.ADMIN_DOWN, State.ADMIN_DOWN): State.ADMIN_DOWN,
    (State.ADMIN_DOWN, State.DOWN): State.ADMIN_DOWN,
    (State.ADMIN_DOWN, State.INIT): State.ADMIN_DOWN,
    (State.ADMIN_DOWN, State.UP): State.ADMIN_DOWN,
}


def test_the_rfc_table_below_is_whole() -> None:
    assert set(RFC_TABLE) == set(product(State, State)) >= set(TRANSITIONS)


@pytest.mark.parametrize(("ours", "theirs"), list(RFC_TABLE))
def test_every_pair_of_states_leads_where_the_rfc_says(ours: State, theirs: State) -> None:
    session = session_in(ours)
    step = session.receive(heard(theirs), 1 * MS, 1 * MS)
    assert session.state is RFC_TABLE[ours, theirs]
    assert (step.change is not None) == (session.state is not ours)


@pytest.mark.parametrize("theirs", [State.DOWN, State.ADMIN_DOWN])
def test_a_session_that_the_other_side_ends_says_so_in_its_diagnostic(theirs: State) -> None:
    session = session_in(State.UP)
    (answer,) = session.receive(heard(theirs), 1 * MS, 1 * MS).packets
    assert (answer.state, answer.diagnostic) == (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_DOWN)


def test_a_change_of_state_is_said_at_once() -> None:
    session = session_in(State.DOWN)
    step = session.receive(heard(State.DOWN), 7 * MS, 7 * MS)
    assert [packet.state for packet in step.packets] == [State.INIT]
    assert step.packets[0].your_discriminator == THEIRS


def test_silence_for_the_detection_time_ends_the_session() -> None:
    session = session_in(State.UP)
    session.receive(heard(), 1000 * MS, 1000 * MS)
    assert session.detection_due == 1150 * MS
    step = session.expire(1151 * MS)
    assert step.change is not None
    assert (step.change.state, step.change.diagnostic) == (State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED)
    assert (step.change.silent_for, step.change.intervals, step.change.interval) == (151 * MS, 3, 50 * MS)
    assert step.packets[0].your_discriminator == 0


def test_the_silence_counts_from_the_arrival_not_from_the_reading() -> None:
    session = session_in(State.UP)
    session.receive(heard(), arrived=1000 * MS, now=1090 * MS)
    assert session.detection_due == 1150 * MS


def test_a_packet_read_late_does_not_turn_back_the_silence() -> None:
    session = session_in(State.UP)
    session.receive(heard(), 1000 * MS, 1000 * MS)
    session.receive(heard(), 900 * MS, 1001 * MS)
    assert session.detection_due == 1150 * MS


@pytest.mark.parametrize(
    ("theirs", "timers", "detection"),
    [
        (heard(), FAST, 150),
        (heard(multiplier=5), FAST, 250),
        (heard(desired_min_tx=100_000), FAST, 300),
        (heard(desired_min_tx=10_000), FAST, 150),
        (heard(), SessionTimers(10 * MS, 10 * MS, 5), 150),
        (heard(required_min_rx=400_000), FAST, 150),
    ],
)
def test_detection_time_is_their_multiplier_times_the_slower_rate(
    theirs: ControlPacket, timers: SessionTimers, detection: int
) -> None:
    session = session_in(State.UP, timers)
    session.receive(theirs, 1 * MS, 1 * MS)
    assert session.detection_time == detection * MS


@pytest.mark.parametrize("state", [State.DOWN, State.INIT, State.ADMIN_DOWN])
def test_a_session_that_is_not_up_sends_once_a_second(state: State) -> None:
    session = session_in(state)
    packet = session.transmit(10 * MS)
    assert packet.desired_min_tx == 1_000_000
    assert session.transmit_due - 10 * MS == transmit_wait(SLOW_INTERVAL, 5, 0.5)


def test_an_up_session_sends_at_the_slower_of_both_wishes() -> None:
    session = session_in(State.UP)
    session.receive(heard(required_min_rx=80_000), 1 * MS, 1 * MS)
    session.transmit(100 * MS)
    assert session.transmit_due == 100 * MS + int(80 * MS * 0.875)


@pytest.mark.parametrize(
    ("multiplier", "chance", "wait"), [(5, 0.0, 750), (5, 0.5, 875), (3, 1.0, 1000), (1, 0.0, 750), (1, 1.0, 900)]
)
def test_jitter_keeps_its_bounds(multiplier: int, chance: float, wait: int) -> None:
    assert transmit_wait(1000, multiplier, chance) == wait


def test_nothing_is_sent_periodically_to_who_wants_nothing() -> None:
    session = session_in(State.UP)
    session.receive(heard(required_min_rx=0), 1 * MS, 1 * MS)
    assert session.transmit_due == NEVER
    session.receive(heard(required_min_rx=50_000), 2 * MS, 2 * MS)
    assert session.transmit_due < NEVER


def test_who_wanted_nothing_and_died_is_spoken_to_again() -> None:
    session = session_in(State.DOWN)
    session.receive(heard(State.ADMIN_DOWN, required_min_rx=0), 1 * MS, 1 * MS)
    assert session.transmit_due == NEVER
    session.expire(5000 * MS)
    assert session.transmit_due < NEVER


def test_a_faster_wish_of_the_other_side_is_honored_at_once() -> None:
    session = session_in(State.UP)
    session.receive(heard(required_min_rx=1_000_000), 1 * MS, 1 * MS)
    session.transmit(100 * MS)
    session.receive(heard(required_min_rx=50_000), 120 * MS, 120 * MS)
    assert session.transmit_due <= 150 * MS


def test_no_periodic_packets_in_the_demand_mode_of_the_other_side() -> None:
    session = session_in(State.UP)
    session.receive(heard(demand=True), 1 * MS, 1 * MS)
    assert session.transmit_due == NEVER


def test_a_poll_is_answered_by_a_final_at_once() -> None:
    session = session_in(State.UP)
    due = session.transmit_due
    (answer,) = session.receive(heard(poll=True), 1 * MS, 1 * MS).packets
    assert (answer.final, answer.poll) == (True, False)
    assert session.transmit_due == due


def test_a_poll_that_brings_the_session_up_gets_its_final_and_then_our_own_poll() -> None:
    session = session_in(State.INIT)
    packets = session.receive(heard(State.UP, poll=True), 1 * MS, 1 * MS).packets
    assert [(packet.poll, packet.final) for packet in packets] == [(False, True), (True, False)]


def test_coming_up_announces_the_fast_rate_by_a_poll_sequence() -> None:
    session = session_in(State.INIT)
    (packet,) = session.receive(heard(State.UP), 1 * MS, 1 * MS).packets
    assert (packet.poll, packet.desired_min_tx) == (True, 50_000)
    assert session.transmit(50 * MS).poll
    step = session.receive(heard(final=True), 60 * MS, 60 * MS)
    assert step.poll_ended
    assert not session.transmit(100 * MS).poll


def test_a_slower_rate_is_used_only_when_the_poll_sequence_has_ended() -> None:
    session = session_in(State.UP)
    (packet,) = session.configure(SLOW, 10 * MS).packets
    assert (packet.poll, packet.desired_min_tx) == (True, 1_000_000)
    assert session.transmit_interval == 50 * MS
    session.receive(heard(final=True), 12 * MS, 12 * MS)
    assert session.transmit_interval == 1000 * MS


def test_a_shorter_patience_is_used_only_when_the_poll_sequence_has_ended() -> None:
    session = session_in(State.UP, SLOW)
    assert session.detection_time == 3000 * MS
    session.configure(FAST, 10 * MS)
    assert session.detection_time == 3000 * MS
    assert session.transmit_interval == 50 * MS
    session.receive(heard(final=True), 12 * MS, 12 * MS)
    assert session.detection_time == 150 * MS


def test_a_longer_patience_is_used_at_once() -> None:
    session = session_in(State.UP)
    session.configure(SLOW, 10 * MS)
    assert session.detection_time == 3000 * MS


def test_a_second_change_waits_for_the_first_poll_sequence_and_for_its_late_finals() -> None:
    session = session_in(State.UP)
    session.configure(SLOW, 100 * MS)
    assert session.configure(FAST, 101 * MS) is NOTHING
    session.receive(heard(final=True), 140 * MS, 140 * MS)
    assert not session.settled
    assert not session.transmit(150 * MS).poll
    session.receive(heard(final=True), 170 * MS, 170 * MS)
    packet = session.transmit(200 * MS)
    assert (packet.poll, packet.desired_min_tx) == (True, 50_000)


def test_a_change_that_waits_is_overtaken_by_a_later_one_for_good() -> None:
    session = session_in(State.UP)
    session.configure(SLOW, 100 * MS)
    session.configure(replace(SLOW, multiplier=7), 101 * MS)
    session.receive(heard(final=True), 110 * MS, 110 * MS)
    session.configure(FAST, 130 * MS)
    session.receive(heard(final=True), 140 * MS, 140 * MS)
    assert session.transmit(200 * MS).desired_min_tx == 50_000
    assert session.timers == FAST


def test_a_change_of_the_multiplier_needs_no_poll() -> None:
    session = session_in(State.UP)
    (packet,) = session.configure(replace(FAST, multiplier=7), 10 * MS).packets
    assert (packet.poll, packet.multiplier) == (False, 7)


def test_the_round_trip_is_measured_when_one_poll_was_under_way() -> None:
    session = session_in(State.UP)
    session.poll(100 * MS)
    assert session.receive(heard(final=True), 104 * MS, 105 * MS).round_trip == 4 * MS


def test_on_a_slow_line_the_round_trip_counts_from_the_first_poll() -> None:
    session = session_in(State.UP)
    session.poll(100 * MS)
    session.transmit(140 * MS)
    assert session.receive(heard(final=True), 162 * MS, 162 * MS).round_trip == 62 * MS


def test_a_session_held_down_says_so_and_hears_nothing() -> None:
    session = session_in(State.UP)
    (packet,) = session.disable(10 * MS).packets
    assert (packet.state, packet.diagnostic) == (State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
    assert session.receive(heard(State.DOWN), 11 * MS, 11 * MS) is NOTHING


def test_a_lost_interface_ends_the_session_at_once() -> None:
    session = session_in(State.UP)
    change = session.path_down(10 * MS).change
    assert change is not None
    assert (change.state, change.diagnostic) == (State.DOWN, Diagnostic.PATH_DOWN)


def test_a_restored_session_is_up_with_its_silence_counted_anew() -> None:
    memory = session_in(State.UP).remember()
    session = Session.restore(Memory.from_json(memory.to_json()), FAST, 900 * MS, lambda: 0.5)
    assert (session.state, session.discriminator, session.remote_discriminator) == (State.UP, OURS, THEIRS)
    assert session.detection_due == 1050 * MS
    packet = session.transmit(900 * MS)
    assert (packet.state, packet.poll, packet.your_discriminator) == (State.UP, True, THEIRS)


def test_a_restored_session_sends_at_the_faster_and_waits_for_the_slower_of_then_and_now() -> None:
    memory = session_in(State.UP, SLOW).remember()
    session = Session.restore(memory, FAST, 0, lambda: 0.5)
    assert (session.transmit_interval, session.detection_time) == (50 * MS, 3000 * MS)
    session.transmit(0)
    session.receive(heard(final=True), 5 * MS, 5 * MS)
    assert (session.transmit_interval, session.detection_time) == (50 * MS, 150 * MS)


def test_a_session_that_was_not_up_begins_anew_with_its_discriminator() -> None:
    session = Session.restore(session_in(State.INIT).remember(), FAST, 0, lambda: 0.5)
    assert (session.state, session.discriminator, session.remote_discriminator) == (State.DOWN, OURS, 0)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"discriminator": 0},
        {"discriminator": 1 << 32},
        {"state": 4},
        {"remote_multiplier": "3"},
        {"desired_min_tx": -1},
        {"desired_min_tx": True},
        {"required_min_rx": None},
    ],
)
def test_a_memory_that_cannot_be_is_refused(spoilt: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="BFD session"):
        Memory.from_json({**session_in(State.UP).remember().to_json(), **spoilt})
