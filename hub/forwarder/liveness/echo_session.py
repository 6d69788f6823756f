"""Liveness by echo: a pure state machine, without sockets or clock. All times are nanoseconds of one clock.

A branch without BFD is asked at every interval, and is dead after `multiplier` intervals without an answer. After a
death it must answer `multiplier` times, without dying in between, before it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.forwarder.liveness.model import Timers

_RTT_WEIGHT = 8
"""The newest round trip counts for one part in so many of the smoothed one, as in RFC 6298."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A Fall is the death of a tunnel by silence."""

    silent_for: int
    intervals: int
    interval: int


class EchoSession:
    """An EchoSession is our view of one far end that answers echo requests, or doesn't."""

    __slots__ = ("_answers", "_needed", "last_heard", "patient_since", "round_trip", "timers", "transmit_due", "up")

    def __init__(self, timers: Timers, first: int, *, up: bool) -> None:
        """Ask first at `first`; `up` if the process before us saw it up."""
        self.timers = timers
        self.up = up
        self.last_heard: int | None = None
        self.round_trip: int | None = None
        self.transmit_due = first
        self.patient_since = first
        """The instant from which the silence counts: the last answer, the start, or a change of timers."""
        self._needed = 1
        self._answers = 0

    @property
    def detection_due(self) -> int:
        """When the silence becomes a death."""
        return self.patient_since + self.timers.detection_ns

    def sent(self, now: int) -> None:
        """A request was sent, or could not be."""
        self.transmit_due = now + self.timers.interval_ns

    def answered(self, arrived: int, round_trip: int) -> bool:
        """An answer arrived; whether the tunnel came up by it."""
        if self.last_heard is not None and arrived - self.last_heard > self.timers.detection_ns:
            self._answers = 0
        self.last_heard = arrived if self.last_heard is None else max(arrived, self.last_heard)
        self.patient_since = max(self.patient_since, arrived)
        before = self.round_trip
        self.round_trip = round_trip if before is None else before + (round_trip - before) // _RTT_WEIGHT
        self._answers += 1
        if self.up or self._answers < self._needed:
            return False
        self.up = True
        return True

    def expire(self, now: int) -> Fall | None:
        """`detection_due` has come; the death if the tunnel was up."""
        heard = self.last_heard if self.last_heard is not None else self.patient_since
        self.patient_since = now
        self._answers, self._needed = 0, self.timers.multiplier
        if not self.up:
            return None
        self.up = False
        return Fall(now - heard, self.timers.multiplier, self.timers.interval_ns)

    def fall(self, now: int) -> None:
        """The interface is gone."""
        self.expire(now)

    def configure(self, timers: Timers, now: int) -> None:
        """Ask at another rate. The silence counts anew: answers at the new rate come a round trip from now."""
        if timers == self.timers:
            return
        self.timers = timers
        self.patient_since = max(self.patient_since, now + 2 * (self.round_trip or 0))
        self.transmit_due = min(self.transmit_due, now)
