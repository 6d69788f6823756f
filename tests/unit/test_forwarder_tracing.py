"""Traces are made one at a time, beside the loop, and each is answered."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from hub.control.lines import Message
from hub.forwarder import tracing
from hub.forwarder.health.route_trace import Answer, Found, answer_in, trace
from hub.forwarder.loop import Loop
from hub.forwarder.tracing import TraceOrder, Tracing

ORDER = TraceOrder("bandung/fiber", "198.18.1.2", 7, None)


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_who_asks_while_another_trace_is_under_way_is_told_so_at_once(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, told = threading.Event(), list[Message]()

    def slow(_to: str, _mark: int, _source: str | None) -> Found:
        released.wait()
        return Found(("198.51.100.1", None), reached=True)

    monkeypatch.setattr(tracing, "trace", slow)
    made = Tracing(loop, told.append)
    made.trace(ORDER)
    made.trace(ORDER)
    assert [each["traced"].get("error") for each in told] == ["another trace is under way"]
    released.set()
    while len(told) < 2:
        loop.step()
    about = {"tunnel": "bandung/fiber", "to": "198.18.1.2", "hops": ["198.51.100.1", None], "reached": True}
    assert told[1] == {"traced": about}


def test_a_trace_that_fails_by_what_nobody_thought_of_is_answered_too(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[Message]()

    def spoilt(_to: str, _mark: int, _source: str | None) -> Found:
        raise ValueError("spoilt")

    monkeypatch.setattr(tracing, "trace", spoilt)
    made = Tracing(loop, told.append)
    for _ in range(2):
        made.trace(ORDER)
        while not told:
            loop.step()
        assert told.pop()["traced"]["error"] == "tracing failed: ValueError: spoilt"


def test_an_end_that_is_no_neighbor_of_anybody_is_an_error_and_not_a_path() -> None:
    found = trace("198.18.1.2", 0, "198.18.77.77")
    assert found == Found(error="Cannot assign requested address")


TOKEN = b"12345678"
FROM_ICMP, FROM_ICMP6, FROM_HERE = 2, 3, 1


def error(origin: int, kind: int, speaker: str) -> bytes:
    """A struct sock_extended_err of linux/errqueue.h, and who said it."""
    if ":" in speaker:
        address = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, speaker), 0)
    else:
        address = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(speaker))
    return struct.pack("=IBBBxII", 113, origin, kind, 0, 0, 0) + address


@pytest.mark.parametrize(
    ("data", "quoted", "answer"),
    [
        (error(FROM_ICMP, 11, "198.51.100.1"), TOKEN + b"\x03", Answer("198.51.100.1", 3, is_on_the_way=True)),
        (error(FROM_ICMP, 11, "198.51.100.1"), b"", Answer("198.51.100.1", 5, is_on_the_way=True)),
        (error(FROM_ICMP, 3, "198.51.100.1"), TOKEN + b"\x05", Answer("198.51.100.1", 5, is_on_the_way=False)),
        (error(FROM_ICMP6, 3, "2001:db8::1"), TOKEN + b"\x05", Answer("2001:db8::1", 5, is_on_the_way=True)),
        (error(FROM_ICMP6, 1, "2001:db8::1"), TOKEN + b"\x05", Answer("2001:db8::1", 5, is_on_the_way=False)),
        (error(FROM_ICMP, 11, "198.51.100.1"), b"abcdefgh\x05", None),
        (error(FROM_HERE, 0, "198.51.100.1"), b"", None),
        (error(FROM_ICMP, 11, "198.51.100.1")[:16], TOKEN + b"\x03", None),
    ],
    ids=["a late one", "one that quotes nothing", "nothing passes there", "of IPv6", "nothing passes there, of IPv6",
         "to a packet of somebody else's", "of our own kernel", "of nobody"],
)  # fmt: skip
def test_an_error_answers_the_packet_that_it_quotes(data: bytes, quoted: bytes, answer: Answer | None) -> None:
    assert answer_in(data, quoted, TOKEN, 5) == answer
