"""The userspace delay, without its interface."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.lab.delay_stage import MOST_WAITING, DelayQueue


def test_a_packet_waits_for_the_delay_and_no_longer() -> None:
    queue = DelayQueue(0.08, 0)
    queue.put(b"one", now=10.0, random_share=0)
    assert queue.due(10.079) == []
    assert queue.next_due() == 10.08
    assert queue.due(10.08) == [b"one"]
    assert queue.next_due() is None


def test_packets_of_the_same_moment_keep_their_order() -> None:
    queue = DelayQueue(0.01, 0)
    for packet in (b"b", b"a", b"c"):
        queue.put(packet, now=1.0, random_share=0)
    assert queue.due(2.0) == [b"b", b"a", b"c"]


def test_a_jitter_larger_than_the_delay_never_sends_into_the_past() -> None:
    queue = DelayQueue(0.01, 0.05)
    queue.put(b"one", now=5.0, random_share=-1)
    assert queue.next_due() == 5.0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-1, 1)), max_size=50))
def test_nothing_is_lost_and_everything_leaves_within_delay_and_jitter(packets: list[tuple[float, float]]) -> None:
    queue = DelayQueue(0.08, 0.02)
    for number, (now, share) in enumerate(packets):
        queue.put(b"%d" % number, now=now, random_share=share)
    latest = max((now for now, _ in packets), default=0.0) + 0.1
    assert sorted(queue.due(latest + 1e-6)) == sorted(b"%d" % number for number in range(len(packets)))


def test_a_full_queue_drops_what_comes() -> None:
    queue = DelayQueue(1, 0)
    for _ in range(MOST_WAITING + 1):
        queue.put(b"", now=0, random_share=0)
    assert len(queue.due(2)) == MOST_WAITING
