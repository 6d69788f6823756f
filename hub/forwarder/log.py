"""One line an event on standard error, written by a thread: a full pipe or a slow terminal never holds up the loop."""

from __future__ import annotations

import os
import sys
from queue import SimpleQueue
from threading import Thread

MOST_WAITING = 10_000
"""Lines. What comes on top of them is dropped, and counted in the next line that is written."""


class Log:
    """A Log writes lines in the order in which they come, to the given file descriptor."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._dropped = 0
        self._thread = Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def __call__(self, text: str) -> None:
        """Write a line some time soon."""
        if self._waiting.qsize() >= MOST_WAITING:
            self._dropped += 1
        elif self._dropped:
            self._waiting.put(f"{text} ({self._dropped} lines before it were dropped)")
            self._dropped = 0
        else:
            self._waiting.put(text)

    def close(self, timeout: float = 1.0) -> None:
        """Write what is waiting, for at most so many seconds."""
        self._waiting.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (text := self._waiting.get()) is not None:
            line = "forwarder: " + text.replace("\n", " ") + "\n"
            try:
                os.write(self._descriptor, line.encode(errors="replace"))
            except OSError:  # nobody reads it any more
                continue


def complain(text: str) -> None:
    """Say at once what keeps the forwarder from starting."""
    sys.stderr.write(f"forwarder: {text}\n")
