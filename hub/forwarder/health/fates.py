"""What becomes of probes: answered, lost, or answered after all. Pure; all times are nanoseconds of one clock.

A probe is lost when it was not answered within the far end's `wait`. An answer that comes later, for three seconds,
takes the loss back. The far end is never blamed for our own sleep: a short stall of this process lengthens the wait,
and a probe that was under way in a long one counts neither as answered nor as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.forwarder.health.far_end import FarEnd

LATEST = 3_000_000_000
"""Nanoseconds after which an answer is of no interest."""
SLEPT = 50_000_000
"""Nanoseconds of a stall in which packets may have been lost, as the whole machine may have stood still."""

Stalls = Callable[[int, int], Sequence[int]]
"""How long this process was kept from running between two instants, each time."""


@dataclass(frozen=True, slots=True)
class News:
    """A News is the fates that became known: of `sent` probes, the first sent at `begins` and the last at `ends`.

    `late` are the round trips of probes that an earlier News called lost; those are not in `sent`.
    """

    begins: int
    ends: int
    sent: int
    lost: int
    round_trips: tuple[int, ...]
    late: tuple[int, ...]


class Fates:
    """A Fates follows the probes over one tunnel. `learns`: the far end's usual round trip is learnt from them."""

    __slots__ = (
        "_begins",
        "_ends",
        "_far_end",
        "_late",
        "_learns",
        "_lost",
        "_missed",
        "_round_trips",
        "_sent",
        "_stalls",
        "_waiting",
    )

    def __init__(self, far_end: FarEnd, stalls: Stalls, *, learns: bool) -> None:
        self._far_end = far_end
        self._stalls = stalls
        self._learns = learns
        self._waiting: dict[int, None] = {}
        self._missed: dict[int, bool] = {}  # whether their loss was counted
        self._begins = self._ends = self._sent = self._lost = 0
        self._round_trips: list[int] = []
        self._late: list[int] = []

    @property
    def waiting(self) -> int:
        """How many probes wait for their fate."""
        return len(self._waiting)

    @property
    def due(self) -> int | None:
        """When the newest probe is lost if no answer comes, None while none waits."""
        newest = next(reversed(self._waiting), None)
        return None if newest is None else newest + self._far_end.wait

    def overdue(self, now: int) -> bool:
        """Whether the oldest probe has waited long enough to be lost."""
        oldest = next(iter(self._waiting), None)
        return oldest is not None and oldest + self._far_end.wait <= now

    def sent(self, now: int) -> None:
        """A probe was sent."""
        self._waiting[now] = None

    def answered(self, asked: int, arrived: int) -> None:
        """The answer to the probe of `asked` arrived."""
        late, counted = asked in self._missed, self._missed.pop(asked, False)
        if asked in self._waiting:
            del self._waiting[asked]
        elif not late:
            return
        stalls = self._stalls(asked, arrived)
        self._far_end.answered(arrived)
        took = max(arrived - asked, 0)
        if not stalls and self._learns:
            self._far_end.round_trip.sample(took)
        if counted:
            self._late.append(took)
            self._spans(asked)
        elif not late and (not stalls or max(stalls) < SLEPT):
            self._counts(asked)
            # With a stall in it the time says how slow we were.
            self._round_trips += [] if stalls else [took]

    def judge(self, now: int) -> None:
        """Find what is lost. What has arrived must have been told by now."""
        wait = self._far_end.wait
        for asked in list(self._waiting):
            if asked + wait > now:
                break
            stalls = self._stalls(asked, asked + wait)
            if stalls and max(stalls) >= SLEPT:
                del self._waiting[asked]
            elif asked + wait + sum(stalls) <= now:
                self._lose(asked, now)
        for asked in list(self._missed):
            if asked + LATEST > now:
                break
            del self._missed[asked]

    def news(self) -> News | None:
        """What became known since the last call, None if nothing did."""
        if not (self._sent or self._late):
            return None
        found = News(self._begins, self._ends, self._sent, self._lost, tuple(self._round_trips), tuple(self._late))
        self._forget()
        return found

    def _lose(self, asked: int, now: int) -> None:
        del self._waiting[asked]
        counts = self._missed[asked] = self._far_end.lost(now)
        if counts:
            self._counts(asked)
            self._lost += 1

    def _counts(self, asked: int) -> None:
        self._sent += 1
        self._spans(asked)

    def _spans(self, asked: int) -> None:
        self._begins = min(self._begins or asked, asked)
        self._ends = max(self._ends, asked)

    def _forget(self) -> None:
        self._begins = self._ends = self._sent = self._lost = 0
        self._round_trips, self._late = [], []
