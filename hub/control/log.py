"""One line an event on standard error, written by a thread: a full pipe or a slow terminal never holds up a loop.

A log whose disk is full, or that nobody reads, ends nothing. What it does not take is counted; once it takes lines
again, the next one says how many were lost.
"""

from __future__ import annotations

import contextlib
import os
from queue import SimpleQueue
from threading import Thread

MOST_WAITING = 10_000
"""Lines. What comes on top of them is lost, and counted in the next line that is written."""


class Log:
    """A Log writes lines in the order in which they come, each after a prefix, to the given file descriptor."""

    def __init__(self, prefix: str = "", descriptor: int = 2, most_waiting: int = MOST_WAITING) -> None:
        self._prefix = prefix
        self._descriptor = descriptor
        self._most_waiting = most_waiting
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._not_taken = 0
        self._not_written = 0
        self._told = 0
        self._thread = Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def __call__(self, text: str) -> None:
        """Write a line some time soon."""
        if self._waiting.qsize() >= self._most_waiting:
            self._not_taken += 1
        else:
            self._waiting.put(text)

    @property
    def lost(self) -> int:
        """How many lines were not written since the start."""
        return self._not_taken + self._not_written

    def close(self, timeout: float = 1.0) -> None:
        """Write what is waiting, for at most so many seconds."""
        self._waiting.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (text := self._waiting.get()) is not None:
            lost = self.lost
            more = f" ({lost - self._told} lines before it were lost)" if lost > self._told else ""
            try:
                os.write(self._descriptor, _line(f"{self._prefix}{text}{more}"))
            except OSError:
                self._not_written += 1
            else:
                self._told = lost


def say_at_once(text: str) -> None:
    """A line on standard error, from a process that has no log yet; that nobody can have it ends nothing."""
    with contextlib.suppress(OSError):
        os.write(2, _line(text))


def _line(text: str) -> bytes:
    return (text.replace("\n", " ") + "\n").encode(errors="replace")
