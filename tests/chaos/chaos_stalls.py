"""When the machine stood still: a thread that wakes up often, and notes when it woke up too late.

A machine that stands still loses packets and keeps tunnels silent, without a fault of ours. That forgives nothing here:
it is told beside a violation, for whoever looks for its cause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WAKES_EVERY = 0.02
LATE = 0.1
"""Seconds too late from which it is noted: one liveness interval."""


@dataclass
class Stalls:
    """A Stalls is when, in seconds of the monotonic clock, this process should have run and did not."""

    seen: list[tuple[float, float]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until it is over."""
        before = time.monotonic()
        while not self._over.wait(WAKES_EVERY):
            now = time.monotonic()
            if now - before > WAKES_EVERY + LATE:
                self.seen.append((before + WAKES_EVERY, now))
            before = now

    def stop(self) -> None:
        """It is over."""
        self._over.set()

    def since(self, moment: float) -> str:
        """What was noted since then, in words."""
        late = [f"{(end - start) * 1000:.0f} ms at {start - moment:.2f} s" for start, end in self.seen if end >= moment]
        return f"the machine stood still for {', '.join(late) or 'no time'}"


@contextmanager
def watched() -> Iterator[Stalls]:
    """Notes stalls while the body runs."""
    stalls = Stalls()
    thread = threading.Thread(target=stalls.watch)
    thread.start()
    try:
        yield stalls
    finally:
        stalls.stop()
        thread.join()
