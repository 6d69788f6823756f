"""ICMP answers from anybody: only those to our own questions count, and they lead to the tunnel they came in by."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from draw import Draw

from hub.forwarder.liveness.arrival import IP_PKTINFO, IP_TTL, SO_TIMESTAMPNS
from hub.forwarder.liveness.echo import Echo, checksum, decode_reply, encode_request
from hub.forwarder.liveness.echo_session import EchoSession
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.model import Timers
from hub.forwarder.liveness.return_path import ReturnPath, Way

_IP = b"\x45" + b"\0" * 19
_COOKIE, _IDENTIFIER, _NOW = b"pointman", 0x1234, 10**12
WORDS = (_IP, b"\0\0\0\0\x12\x34", _COOKIE, _IP + b"\0\0\0\0\x12\x34\0\1" + _COOKIE + b"\0\0\0\1" + b"\0" * 8)
_WAYS = (Way("solo/fiber", 3, "10.9.0.1", live=True), Way("solo/wireless", 4, "10.9.0.3", live=False))
_MS = 1_000_000


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    check_reply(data)
    match draw.byte() % 3:
        case 0:
            check_socket(draw)
        case 1:
            check_session(draw)
        case _:
            check_round_trip(draw)


def check_reply(data: bytes) -> None:
    """Any datagram is a reply or none."""
    reply = decode_reply(data)
    if reply is not None:
        start = len(data) - 28
        assert encode_request(reply)[4:] == data[start + 4 :]


def check_round_trip(draw: Draw) -> None:
    """The answer to a request of ours is read as what was asked."""
    echo = Echo(
        draw.number(0, 0xFFFF), draw.number(0, 0xFFFF), draw.raw(8), draw.number(0, 0xFFFFFFFF), draw.number(0, 1 << 63)
    )
    request = encode_request(echo)
    assert checksum(request[:2] + b"\0\0" + request[4:]) == int.from_bytes(request[2:4], "big")
    assert decode_reply(_IP + b"\0" + request[1:]) == echo
    assert decode_reply(_IP + request) is None, "a request is no reply"


class Clock:
    """A loop that never calls back."""

    def now(self) -> int:
        """The time."""
        return _NOW

    def call_at(self, when_ns: int, callback: Callable[[], None], /) -> Any:
        """A timer that is never due."""
        return self

    def cancel(self) -> None:
        """Nothing to do."""


def check_socket(draw: Draw) -> None:
    """Datagrams of any kind at the raw socket, with a probe and another asker behind it."""
    counters, heard, paths = Counter[str](), list[Answer](), list[tuple[str, str, int]]()
    echo = EchoSocket(cast(Any, Clock()), counters)
    echo._cookie, echo._identifier = _COOKIE, _IDENTIFIER
    echo.join(heard.append)
    probe = ReturnPath(cast(Any, Clock()), echo, lambda _: _WAYS, lambda *path: paths.append(path))
    probe.set_branches(frozenset({"solo"}))
    count = 0
    while draw and count < 8:
        count += 1
        interface = draw.choice((3, 4, 0, 99))
        how = [
            (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i4s4s", interface, b"\0" * 4, b"\0" * 4)),
            (socket.IPPROTO_IP, IP_TTL, struct.pack("i", draw.byte())),
            (socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("qq", draw.number(0, 1 << 40), draw.number(0, 10**9))),
        ]
        echo._accept(datagram(draw), how[draw.byte() % 16 == 0 :], "10.9.0.1", _NOW)
    assert counters.total() == count
    assert len(heard) + len(paths) <= counters["icmp-received"]
    assert all(answer.sent <= _NOW and answer.arrived <= _NOW for answer in heard)
    assert {path[1] for path in paths} <= {way.tunnel for way in _WAYS}


def datagram(draw: Draw) -> bytes:
    """A datagram that is nothing at all, or nearly an answer."""
    if draw.flag():
        return draw.raw(draw.choice((0, 19, 28, 48, 52, 255)))
    asker, sent = draw.choice((1, 2, 3, 0xFFFFFFFF)), draw.choice((0, _NOW - 5 * _MS, _NOW, _NOW + 1, (1 << 64) - 1))
    identifier, cookie = draw.choice((_IDENTIFIER, _IDENTIFIER, 7)), draw.choice((_COOKIE, _COOKIE, b"\0" * 8))
    reply = bytearray(_IP + b"\0" + encode_request(Echo(identifier, 1, cookie, asker, sent))[1:])
    for _ in range(draw.number(0, 2)):
        reply[draw.number(0, len(reply) - 1)] = draw.byte()
    return bytes(reply)


def check_session(draw: Draw) -> None:
    """An echo session under answers, silences and other timers."""
    now = _NOW
    session = EchoSession(timers(draw), now, up=draw.flag())
    for _ in range(200):
        if not draw:
            return
        now += draw.choice((0, _MS, 30 * _MS, 5000 * _MS))
        if now >= session.detection_due:
            was, fall = session.up, session.expire(now)
            assert (fall is not None) == was
            assert not session.up
            assert fall is None or fall.silent_for >= 0
        if now >= session.transmit_due:
            session.sent(now)
            assert session.transmit_due > now
        match draw.byte() % 8:
            case 0:
                session.configure(timers(draw), now, draw.choice((0, _MS, 500 * _MS)))
            case 1:
                session.fall(now)
                assert not session.up
            case _:
                late = draw.choice((0, 1000, 30 * _MS))
                was = session.up
                came_up = session.answered(now - late, draw.number(0, 1 << 40))
                assert came_up == (session.up and not was)
        assert session.detection_due > now or now - session.patient_since >= session.timers.detection_ns


def timers(draw: Draw) -> Timers:
    """Timers that the forwarder accepts."""
    return Timers("icmp", draw.number(5, 60_000) * _MS, draw.number(1, 255))
