"""When the kernel is read: regularly, soon after a hint, and again after a disturbance; a step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from hub.forwarder.netlink.sockets import DumpError, DumpInterruptedError
from hub.forwarder.steps import REST_NS

AUDIT_EVERY_NS = 30_000_000_000
AUDIT_SOON_NS = 20_000_000
RETRY_NS = 1_000_000_000


class Timer(Protocol):
    """A Timer can be cancelled."""

    def cancel(self) -> None:
        """It will not fire."""


class Clock(Protocol):
    """What the table needs of the event loop."""

    def now(self) -> int:
        """Nanoseconds of the monotonic clock."""
        ...

    def call_at(self, when_ns: int, callback: Callable[[], None], /) -> Timer:
        """Call once at that time."""
        ...


class Audits:
    """An Audits runs one reading after the other: `read` begins one, `failed` hears that the kernel refuses it."""

    def __init__(self, clock: Clock, read: Callable[[], Iterator[None]], failed: Callable[[DumpError], None]) -> None:
        self._clock, self._read, self._failed = clock, read, failed
        self._timer: Timer | None = None
        self._due = 0
        self._steps: Iterator[None] | None = None
        self._again = False

    def after(self, delay_ns: int) -> None:
        """Read in so many nanoseconds, or before; while one reading goes on, a second after its end."""
        if self._steps is not None:
            self._again = True
            return
        when_ns = self._clock.now() + delay_ns
        if self._timer is not None:
            if self._due <= when_ns:
                return
            self._timer.cancel()
        self._due = when_ns
        self._timer = self._clock.call_at(when_ns, self._start)

    def _start(self) -> None:
        self._timer = None
        self._again = False
        self._steps = self._read()
        self._step()

    def _step(self) -> None:
        steps = self._steps
        if steps is None:
            return
        try:
            next(steps)
        except StopIteration:
            self._steps = None
            self.after(RETRY_NS if self._again else AUDIT_EVERY_NS)
        except DumpInterruptedError:
            self._steps = None
            self.after(AUDIT_SOON_NS)
        except DumpError as error:
            self._steps = None
            self._failed(error)
            self.after(AUDIT_EVERY_NS)
        else:
            self._clock.call_at(self._clock.now() + REST_NS, self._step)
