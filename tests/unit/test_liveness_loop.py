"""The forwarder's event loop."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.loop import STALL, Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_timers_fire_in_the_order_of_their_instants(loop: Loop) -> None:
    fired: list[str] = []
    now = loop.now()
    loop.call_at(now + 2000, lambda: fired.append("second"))
    loop.call_at(now + 1000, lambda: fired.append("first"))
    loop.call_at(now + 3000, loop.stop)
    loop.run()
    assert fired == ["first", "second"]


def test_a_loop_whose_last_timer_has_fired_waits_for_what_comes(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    heard: list[bytes] = []
    loop.watch(reading, lambda: heard.append(os.read(reading, 1)))
    loop.call_at(loop.now(), lambda: None)
    loop.step()
    writer = threading.Timer(0.1, os.write, (writing, b"x"))
    writer.start()
    loop.step()
    writer.join()
    assert heard == [b"x"]


def test_a_timer_never_fires_early(loop: Loop) -> None:
    seen: list[int] = []
    when = loop.now() + 700_000

    def fire() -> None:
        seen.append(loop.now())
        loop.stop()

    loop.call_at(when, fire)
    loop.run()
    assert seen[0] >= when


def test_a_cancelled_timer_does_not_fire(loop: Loop) -> None:
    fired: list[str] = []
    loop.call_at(loop.now(), lambda: fired.append("cancelled")).cancel()
    loop.call_at(loop.now() + 1000, loop.stop)
    loop.run()
    assert fired == []


def test_a_timer_can_cancel_another_that_is_due_with_it(loop: Loop) -> None:
    fired: list[str] = []
    late = loop.call_at(2, lambda: fired.append("late"))
    loop.call_at(1, late.cancel)
    loop.step()
    assert fired == []


def test_what_arrived_is_handled_before_what_is_due(loop: Loop, pipe: tuple[int, int]) -> None:
    happened: list[str] = []
    loop.watch(pipe[0], lambda: happened.append(os.read(pipe[0], 9).decode()))
    loop.call_at(loop.now(), lambda: happened.append("timer"))
    os.write(pipe[1], b"read")
    loop.step()
    assert happened == ["read", "timer"]


def test_a_forgotten_descriptor_is_left_alone(loop: Loop, pipe: tuple[int, int]) -> None:
    loop.watch(pipe[0], lambda: pytest.fail("it was forgotten"))
    loop.forget(pipe[0])
    loop.forget(pipe[0])
    os.write(pipe[1], b"x")
    loop.call_at(loop.now(), loop.stop)
    loop.run()


def test_a_reader_may_forget_itself(loop: Loop, pipe: tuple[int, int]) -> None:
    calls: list[int] = []

    def once() -> None:
        calls.append(1)
        loop.forget(pipe[0])

    loop.watch(pipe[0], once)
    os.write(pipe[1], b"x")
    loop.step()
    loop.call_at(loop.now(), loop.stop)
    loop.run()
    assert calls == [1]


def test_room_to_write_is_told_to_who_asks(loop: Loop, pipe: tuple[int, int]) -> None:
    happened: list[str] = []
    loop.watch(pipe[1], None, lambda: happened.append("writable"))
    loop.step()
    assert happened == ["writable"]


def test_what_a_callback_raises_ends_the_loop(loop: Loop) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    loop.call_at(loop.now(), broken)
    with pytest.raises(RuntimeError, match="a bug"):
        loop.run()


def test_a_signal_handler_can_stop_an_idle_loop(loop: Loop) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: loop.stop())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        loop.run()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_stall_is_measured_and_remembered(loop: Loop) -> None:
    start = loop.now()
    loop.call_at(start - 2 * STALL, lambda: None)
    loop.step()
    assert loop.lateness >= 2 * STALL
    assert loop.stalled_since(start - 3 * STALL, 1000 * STALL) >= 2 * STALL
    assert loop.stalled_since(loop.now(), 1000 * STALL) == 0


def test_the_part_of_a_stall_before_the_silence_does_not_count(loop: Loop) -> None:
    start = loop.now()
    loop.call_at(start - 100 * STALL, lambda: None)
    loop.step()
    assert loop.stalled_since(start, 1000 * STALL) <= loop.now() - start


def test_many_stalls_together_count_only_to_the_bound(loop: Loop) -> None:
    start = loop.now()
    for _ in range(3):
        loop.call_at(start - 4 * STALL, lambda: None)
        loop.step()
    longest = loop.lateness
    assert loop.stalled_since(start - 10 * STALL, STALL) <= longest


def test_an_alarm_moved_earlier_rings_at_the_earlier_instant(loop: Loop) -> None:
    rings: list[int] = []
    alarm = Alarm(loop, lambda: rings.append(loop.now()))
    alarm.due(loop.now() + 3_600_000_000_000)
    alarm.due(loop.now())
    loop.step()
    assert len(rings) == 1


def test_an_alarm_rings_once_for_all_later_instants(loop: Loop) -> None:
    rings: list[int] = []
    alarm = Alarm(loop, lambda: rings.append(1))
    for later in range(3):
        alarm.due(loop.now() + later)
    loop.call_at(loop.now() + 1000, loop.stop)
    loop.run()
    assert rings == [1]


def test_a_sleep_in_the_middle_of_a_round_is_known_to_the_callback_that_comes_after_it(loop: Loop) -> None:
    seen: list[int] = []
    start = loop.now()
    loop.call_at(start, lambda: busy(loop, 2 * STALL))
    loop.call_at(start, lambda: seen.append(loop.stalled_since(start, 1000 * STALL)))
    loop.step()
    assert seen[0] >= 2 * STALL


def test_a_sleep_in_the_middle_of_a_callback_is_known_to_that_callback(loop: Loop) -> None:
    seen: list[int] = []
    start = loop.now()

    def asks() -> None:
        busy(loop, 2 * STALL)
        seen.append(loop.stalled_since(start, 1000 * STALL))

    loop.call_at(start, asks)
    loop.step()
    assert seen[0] >= 2 * STALL


def test_one_stall_that_is_noticed_twice_counts_once(loop: Loop) -> None:
    start = loop.now()
    loop.call_at(start, lambda: busy(loop, 3 * STALL))
    loop.step()
    loop.call_at(start + STALL, lambda: None)  # was due while the callback before it ran
    loop.step()
    assert loop.stalled_since(start, 1000 * STALL) <= loop.now() - start


def test_waiting_with_nothing_to_do_is_no_stall(loop: Loop) -> None:
    start = loop.now()
    seen: list[int] = []
    loop.call_at(start + 2 * STALL, lambda: seen.append(loop.stalled_since(start, 0)))
    loop.step()
    assert seen[0] < 2 * STALL


def busy(loop: Loop, nanoseconds: int) -> None:
    """Keep the loop from running."""
    end = loop.now() + nanoseconds
    while loop.now() < end:
        pass


def test_stalls_are_told_by_when_they_were(loop: Loop) -> None:
    ms = STALL // 10
    loop._note_stall(100 * ms, 130 * ms)
    loop._note_stall(200 * ms, 220 * ms)
    assert sorted(loop.stalls_between(0, 300 * ms)) == [20 * ms, 30 * ms]
    assert loop.stalls_between(110 * ms, 150 * ms) == [20 * ms]
    assert loop.stalls_between(90 * ms, 105 * ms) == [5 * ms]
    assert loop.stalls_between(130 * ms, 200 * ms) == []
    assert loop.stalls_between(220 * ms, 300 * ms) == []
