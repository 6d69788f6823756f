"""Work that may take long, or wait for others, done in a thread; what it found comes back to the loop."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from hub.forwarder.loop import Loop

_Work = Callable[[], Callable[[], None]]
_Failed = Callable[[Exception], None]
MEND = "a fault of Pointsman: please report it"
"""What helps where work fails by what nobody thought of."""


class Aside:
    """An Aside does one thing after the other in a thread of its own, which is started with the first."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._loop = loop
        self._name = name
        self._wanted: SimpleQueue[tuple[_Work, _Failed]] = SimpleQueue()
        self._done: deque[Callable[[], None]] = deque()
        self._ends: tuple[int, int] | None = None

    def do(self, work: _Work, failed: _Failed) -> None:
        """Do `work` in the thread, and in the loop what it returns; or `failed`, with what it raised.

        Nothing that is done aside is what failover depends on, so that it must not end the loop.
        """
        if self._ends is None:
            self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._loop.watch(self._ends[0], self._results)
            Thread(target=self._run, name=self._name, daemon=True).start()
        self._wanted.put((work, failed))

    def close(self) -> None:
        """Take no more results."""
        if self._ends is not None:
            self._loop.forget(self._ends[0])

    def _run(self) -> None:
        while True:
            self._done.append(_result_of(*self._wanted.get()))
            if self._ends is None:
                return
            try:
                os.write(self._ends[1], b"+")
            except BlockingIOError:  # the loop has plenty to read already
                continue

    def _results(self) -> None:
        if self._ends is not None:
            os.read(self._ends[0], 4096)
        while self._done:
            self._done.popleft()()


def failure_text(what: str, error: Exception) -> str:
    """How a problem says that `what` failed."""
    return f"{what} failed: {type(error).__name__}: {error}"


def _result_of(work: _Work, failed: _Failed) -> Callable[[], None]:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - told where it is heard
        raised = error
    return lambda: failed(raised)
