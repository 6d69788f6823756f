"""The forwarder's event loop: one epoll for everything that arrives, one timerfd for everything that is due.

All that has arrived is handled before anything that is due, so that no deadline passes with its packet still unread.
What a callback raises ends the loop: the process restarts rather than live on half broken.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import select
import time
from collections import deque
from collections.abc import Callable

STALL = 10_000_000
"""Nanoseconds. A loop that wakes later than this was kept from running.

What arrived meanwhile waits in the socket with its timestamp, so only a stall of the whole machine costs packets; a
busy machine's usual hiccups must not delay verdicts."""
CROWDED, REST = 700_000, 500_000
"""Nanoseconds. Where rounds follow each other more closely than the one in the mean, as with more than 100 sessions at
50 ms, the loop rests for the other before the next: what arrives meanwhile is handled in one round, for a quarter less
of the processor. The kernel's timestamps say when it arrived, and a deadline is met that much later at most."""
_ROUNDS = 32
_WINDOW = 1_000_000_000
_STALLS_KEPT = 256
_EXPIRED = 0
"""What the timer is armed for once it has fired: it stays readable until it is set anew, if only to nothing."""
_CLOCK_MONOTONIC = 1
_TFD_ABSOLUTE = 1
_BILLION = 1_000_000_000

_TimerSpec = ctypes.c_long * 4
"""struct itimerspec: the interval and the first expiration, each in seconds and nanoseconds."""


class Timer:
    """A Timer is one callback that is due at `when` (nanoseconds of `Loop.now`)."""

    __slots__ = ("callback", "when")

    def __init__(self, when: int, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Don't call; also when it was called already."""
        self.callback = None


class Loop:
    """A Loop waits for file descriptors and instants, in one thread."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._spec = _TimerSpec()
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, _TimerSpec, ctypes.c_void_p)
        self._epoll = select.epoll()
        self._timer_fd = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._timer_fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._epoll.register(self._timer_fd, select.EPOLLIN)
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._heap: list[tuple[int, int, Timer]] = []
        self._sequence = 0
        self._armed: int | None = None
        self._stopping = False
        self._stalls: deque[tuple[int, int]] = deque(maxlen=_STALLS_KEPT)
        self._began = self._round = self.now()
        self._spacing = _BILLION
        self._window_ends = 0
        self._worst = self._worst_before = 0

    @staticmethod
    def now() -> int:
        """Nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    @property
    def lateness(self) -> int:
        """Nanoseconds: the latest that a timer was in the last second or two."""
        return max(self._worst, self._worst_before)

    def stalled_since(self, when: int, bound: int) -> int:
        """Nanoseconds since `when` in which this loop was kept from running, by more than `STALL` at a time.

        That is so when a timer fires late, and when a callback takes long, the present one too: whoever asks may have
        been put to sleep in the middle of a round. Many stalls together count as `bound` at most, or a loop that is
        always late would never come to a verdict; one that is longer counts as long as it was.
        """
        self._note_slowness()
        if not self._stalls or self._stalls[-1][1] <= when:
            return 0
        stalls = [end - max(start, when) for start, end in self._stalls if end > when]
        return min(sum(stalls), max(bound, *stalls))

    def slept_until(self, since: int, at_least: int) -> int:
        """The end of the last stall after `since` of at least so many nanoseconds; 0 when there was none."""
        self._note_slowness()
        if not self._stalls or self._stalls[-1][1] <= since:
            return 0
        return max((end for start, end in self._stalls if end > since and end - start >= at_least), default=0)

    def stalls_between(self, start: int, end: int) -> list[int]:
        """Nanoseconds in which this loop was kept from running between two instants, for each time that it was."""
        self._note_slowness()
        if not self._stalls or self._stalls[-1][1] <= start:
            return []
        found = []
        for since, until in reversed(self._stalls):
            if until <= start:
                break
            if since < end:
                found.append(min(until, end) - max(since, start))
        return found

    def watch(
        self, fd: int, callback: Callable[[], None] | None, on_writable: Callable[[], None] | None = None
    ) -> None:
        """Call back whenever there is something to read, or room to write; a second call replaces the first.

        A closed or broken connection counts as readable.
        """
        known = fd in self._readers or fd in self._writers
        self._readers.pop(fd, None)
        self._writers.pop(fd, None)
        mask = 0
        if callback is not None:
            self._readers[fd] = callback
            mask |= select.EPOLLIN
        if on_writable is not None:
            self._writers[fd] = on_writable
            mask |= select.EPOLLOUT
        if known and mask:
            self._epoll.modify(fd, mask)
        elif known:
            self._epoll.unregister(fd)
        elif mask:
            self._epoll.register(fd, mask)

    def forget(self, fd: int) -> None:
        """Call back no more. Must come before the descriptor is closed; one that isn't watched is fine."""
        self.watch(fd, None)

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        """Call back once, as soon as `when` has come."""
        timer = Timer(when, callback)
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, timer))
        return timer

    def run(self) -> None:
        """Wait and call back until `stop`."""
        while not self._stopping:
            self.step()

    def stop(self) -> None:
        """Let `run` return after the present round; also from a signal handler."""
        self._stopping = True
        self._set_timer_fd(1)

    def step(self) -> None:
        """One round: wait for something, handle all that arrived, then all that is due."""
        if self._spacing < CROWDED:
            time.sleep(REST / _BILLION)
        self._arm()
        happenings = self._epoll.poll()
        self._began = now = self.now()
        self._spacing += (now - self._round - self._spacing) // _ROUNDS
        self._round = now
        for fd, happened in happenings:
            if fd == self._timer_fd:
                self._armed = _EXPIRED
            else:
                self._dispatch(fd, happened)
        self._fire()

    def close(self) -> None:
        """Give back the descriptors."""
        self._epoll.close()
        os.close(self._timer_fd)

    def _dispatch(self, fd: int, happened: int) -> None:
        if happened & ~select.EPOLLOUT and (reader := self._readers.get(fd)):
            reader()
        if happened & ~select.EPOLLIN and (writer := self._writers.get(fd)):
            writer()

    def _arm(self) -> None:
        when = self._earliest()
        if when is None:
            if self._armed is not None:
                self._set_timer_fd(0)
        elif when != self._armed and not self._stopping:
            self._set_timer_fd(max(when, 1))
        self._armed = when

    def _earliest(self) -> int | None:
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def _set_timer_fd(self, when: int) -> None:
        self._spec[2], self._spec[3] = divmod(when, _BILLION)
        if self._settime(self._timer_fd, _TFD_ABSOLUTE, self._spec, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")

    def _fire(self) -> None:
        now, when = self._note_slowness(), self._earliest()
        if when is None or when > now:
            return
        self._note_lateness(now, when)
        heap = self._heap
        while heap and heap[0][0] <= now:
            callback = heapq.heappop(heap)[2].callback
            if callback is not None:
                callback()
                self._note_slowness()

    def _note_lateness(self, now: int, when: int) -> None:
        late = now - when
        if now >= self._window_ends:
            fresh = now < self._window_ends + _WINDOW
            self._worst_before, self._worst = (self._worst if fresh else 0), 0
            self._window_ends = now + _WINDOW
        self._worst = max(self._worst, late)
        if late > STALL:
            self._note_stall(when, now)

    def _note_slowness(self) -> int:
        """The present instant, noting a stall if what was done since the last call took long."""
        now = self.now()
        if now - self._began > STALL:
            self._note_stall(self._began, now)
        self._began = now
        return now

    def _note_stall(self, start: int, end: int) -> None:
        """Remember when we did not run; what is noted already does not count twice."""
        if self._stalls:
            start = max(start, self._stalls[-1][1])
        if end > start:
            self._stalls.append((start, end))
