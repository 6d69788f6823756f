"""What happened, told to people: one line each on standard error, written by a thread so that nothing waits for it."""

from __future__ import annotations

import queue
import sys
import threading
from collections import Counter, deque
from datetime import datetime

KEPT_REFUSALS = 100


class Record:
    """A Record takes lines at once and writes them when the other side can take them; what does not fit is counted."""

    def __init__(self, size: int = 10_000) -> None:
        self._queue: queue.Queue[str] = queue.Queue(size)
        self.counters: Counter[str] = Counter()
        self.refusals: deque[dict[str, str]] = deque(maxlen=KEPT_REFUSALS)
        threading.Thread(target=self._write, name="record", daemon=True).start()

    def say(self, text: str) -> None:
        """One line for the log, stamped with the wall clock."""
        stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
        try:
            self._queue.put_nowait(f"{stamp} {text}\n")
        except queue.Full:
            self.counters["log lines lost"] += 1

    def refuse(self, tunnel: str, prefix: str, reason: str) -> None:
        """A route of a branch that was not accepted."""
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        self.counters[f"refused: {reason}"] += 1
        self.refusals.append({"at": when, "tunnel": tunnel, "prefix": prefix, "reason": reason})
        self.say(f"{tunnel}: {prefix} refused: {reason}")

    def _write(self) -> None:
        while True:
            sys.stderr.write(self._queue.get())
            sys.stderr.flush()
