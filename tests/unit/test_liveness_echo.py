"""ICMP echo: the messages, and what silence and answers mean."""

import pytest

from hub.forwarder.liveness.arrival import ArrivalClock
from hub.forwarder.liveness.echo import (
    Echo,
    checksum,
    decode_reply,
    decode_reply6,
    encode_request,
    encode_request6,
)
from hub.forwarder.liveness.echo_session import EchoSession, Fall
from hub.forwarder.liveness.model import Standing, Timers, milliseconds, silent

MS = 1_000_000
FAST = Timers("icmp", 50 * MS, 3)
SLOW = Timers("icmp", 1000 * MS, 3)
ECHO = Echo(identifier=7, sequence=9, cookie=b"8 bytes!", asker=3, sent_ns=123456789)
IP_HEADER = bytes([0x45]) + bytes(19)


def reply_to(request: bytes) -> bytes:
    """What the far end makes of a request, as a raw socket gives it."""
    return IP_HEADER + b"\x00" + request[1:]


def test_a_request_has_a_right_checksum() -> None:
    request = encode_request(ECHO)
    assert request[:2] == b"\x08\x00"
    assert checksum(request) == 0


def test_a_reply_brings_back_what_was_asked() -> None:
    assert decode_reply(reply_to(encode_request(ECHO))) == ECHO


def test_an_icmpv6_reply_brings_back_what_was_asked_and_a_request_is_none() -> None:
    request = encode_request6(ECHO)
    assert request[:4] == b"\x80\x00\x00\x00"
    assert decode_reply6(b"\x81" + request[1:]) == ECHO
    assert decode_reply6(request) is None
    assert decode_reply6(b"\x81" + request[1:-1]) is None
    assert decode_reply6(b"") is None


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        IP_HEADER,
        IP_HEADER + encode_request(ECHO),
        reply_to(encode_request(ECHO))[:-1],
        reply_to(encode_request(ECHO)) + b"x",
        b"\x41" + reply_to(encode_request(ECHO))[1:],
        b"\x4f" + reply_to(encode_request(ECHO))[1:],
    ],
)
def test_what_is_no_reply_of_our_form_is_none(datagram: bytes) -> None:
    assert decode_reply(datagram) is None


def up() -> EchoSession:
    """A session that was asked at 0 and answered at 4 ms."""
    session = EchoSession(FAST, 0, up=False)
    session.sent(0)
    assert session.answered(4 * MS, 0)
    return session


def test_the_first_answer_brings_a_new_tunnel_up() -> None:
    assert up().up


def test_a_request_goes_out_every_interval() -> None:
    session = up()
    session.sent(60 * MS)
    assert session.transmit_due == 100 * MS


def test_silence_for_multiplier_intervals_is_a_death() -> None:
    session = up()
    session.answered(100 * MS, 96 * MS)
    assert session.detection_due == 250 * MS
    assert session.expire(251 * MS) == Fall(151 * MS, 3, 50 * MS)
    assert not session.up


def test_a_dead_tunnel_dies_only_once() -> None:
    session = up()
    session.expire(200 * MS)
    assert session.expire(400 * MS) is None


def test_a_dead_tunnel_must_answer_several_times_in_a_row() -> None:
    session = up()
    session.expire(200 * MS)
    came_up = [session.answered(at * MS, (at - 4) * MS) for at in (500, 550, 1000, 1050, 1100)]
    assert came_up == [False, False, False, False, True]


def test_a_faster_rate_gives_the_answers_time_to_come_faster() -> None:
    session = EchoSession(SLOW, 0, up=False)
    session.sent(0)
    session.answered(100 * MS, 0)
    session.configure(FAST, 900 * MS, 100 * MS)
    assert session.transmit_due == 900 * MS
    assert session.detection_due == (900 + 200 + 150) * MS


def test_the_last_request_of_a_silence_has_time_to_be_answered() -> None:
    session = EchoSession(FAST, 0, up=True)
    session.slack = 2 * MS
    session.answered(1 * MS, 0)
    assert session.detection_due == (1 + 3 * 50 + 2) * MS


def test_requests_that_leave_late_are_not_followed_later_and_later() -> None:
    session = EchoSession(FAST, 0, up=True)
    for at in (3, 54, 102):
        session.sent(at * MS)
    assert session.transmit_due == 150 * MS
    session.sent(400 * MS)
    assert session.transmit_due == 425 * MS


def test_a_request_waits_for_its_answer_or_that_of_a_later_one() -> None:
    session = EchoSession(FAST, 0, up=True)
    for at in (0, 50, 100):
        session.sent(at * MS)
    assert session.unanswered_since == 0
    session.answered(60 * MS, 50 * MS)
    assert session.unanswered_since == 100 * MS
    session.answered(104 * MS, 100 * MS)
    assert session.unanswered_since is None
    session.sent(150 * MS)
    assert session.unanswered_since == 150 * MS


def test_an_answer_to_an_older_request_says_nothing_of_the_present_one() -> None:
    session = EchoSession(FAST, 0, up=True)
    session.sent(0)
    session.answered(4 * MS, 0)
    session.sent(50 * MS)
    session.answered(54 * MS, 0)
    assert session.unanswered_since == 50 * MS


def test_a_tunnel_that_was_up_before_a_restart_is_up_until_it_is_silent_here() -> None:
    session = EchoSession(FAST, 1000 * MS, up=True)
    assert session.up
    assert session.detection_due == 1150 * MS
    assert session.expire(1151 * MS) == Fall(151 * MS, 3, 50 * MS)


def test_a_kernel_timestamp_is_turned_into_an_instant() -> None:
    clock = ArrivalClock()
    clock.compare(5_000 * MS, 1_000 * MS)
    clock.compare(5_050 * MS, 1_050 * MS)
    assert clock.arrived(5_040 * MS, 1_050 * MS) == 1_040 * MS


def test_timestamps_are_not_believed_while_the_clock_is_set() -> None:
    clock = ArrivalClock()
    clock.compare(5_000 * MS, 1_000 * MS)
    clock.compare(5_250 * MS, 1_050 * MS)
    assert clock.arrived(5_000 * MS, 1_050 * MS) == 1_050 * MS


@pytest.mark.parametrize("stamp", [0, 6_000 * MS])
def test_a_timestamp_that_makes_no_sense_counts_as_now(stamp: int) -> None:
    clock = ArrivalClock()
    clock.compare(50_000 * MS, 1_000 * MS)
    clock.compare(50_050 * MS, 1_050 * MS)
    assert clock.arrived(stamp, 1_050 * MS) == 1_050 * MS


def test_a_silent_start_lasts_three_seconds_or_the_detection_time() -> None:
    standing = Standing.fresh(1000 * MS)
    assert (standing.state, standing.gives_up_at(150 * MS)) == ("unknown", 4000 * MS)
    assert standing.gives_up_at(5000 * MS) == 6000 * MS


def test_the_reason_of_a_death_has_its_figures() -> None:
    assert silent(151 * MS, 3, 50 * MS) == "silent for 151 ms (3 x 50 ms)"
    assert milliseconds(2_500_000) == "2.5 ms"
