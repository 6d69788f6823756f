"""Work in a thread, its results in the loop."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable

import pytest

from hub.forwarder.aside import Aside, failure_text
from hub.forwarder.loop import Loop


def test_work_is_done_elsewhere_and_in_order_and_its_results_here() -> None:
    loop, here = Loop(), threading.get_ident()
    aside, worked, done = Aside(loop, "test"), list[bool](), list[tuple[int, bool]]()

    def work(number: int) -> Callable[[], Callable[[], None]]:
        def elsewhere() -> Callable[[], None]:
            worked.append(threading.get_ident() != here)
            return lambda: done.append((number, threading.get_ident() == here))

        return elsewhere

    for number in range(5):
        aside.do(work(number), _unexpected)
    while len(done) < 5:
        loop.step()
    assert worked == [True] * 5
    assert done == [(number, True) for number in range(5)]
    aside.close()
    loop.close()


def test_the_loop_goes_on_while_work_waits() -> None:
    loop, released, passed = Loop(), threading.Event(), list[int]()
    aside = Aside(loop, "test")

    def waits() -> Callable[[], None]:
        released.wait(20)
        return loop.stop

    aside.do(waits, _unexpected)
    loop.call_at(loop.now(), lambda: passed.append(1))
    loop.call_at(loop.now() + 1, released.set)
    loop.run()
    assert passed == [1]
    aside.close()
    loop.close()


def test_what_is_raised_elsewhere_is_told_here_and_the_next_work_is_done() -> None:
    loop, here, told = Loop(), threading.get_ident(), list[tuple[str, bool]]()
    aside = Aside(loop, "test")

    def fails() -> Callable[[], None]:
        raise struct.error("spoilt")

    def failed(error: Exception) -> None:
        told.append((failure_text("reading", error), threading.get_ident() == here))

    aside.do(fails, failed)
    aside.do(lambda: loop.stop, _unexpected)
    loop.run()
    assert told == [("reading failed: error: spoilt", True)]
    aside.close()
    loop.close()


def _unexpected(error: Exception) -> None:
    pytest.fail(str(error))
