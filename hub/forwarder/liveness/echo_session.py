"""Liveness by echo: a pure state machine, without sockets or clock. All times are nanoseconds of one clock.

A branch without BFD is asked at every interval, and is dead after `multiplier` intervals without an answer. After a
death it must answer `multiplier` times, without dying in between, before it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.forwarder.liveness.model import Timers


@dataclass(frozen=True, slots=True)
class Fall:
    """A Fall is the death of a tunnel by silence."""

    silent_for: int
    intervals: int
    interval: int


class EchoSession:
    """An EchoSession is our view of one far end that answers echo requests, or doesn't."""

    __slots__ = (
        "_answers",
        "_asked",
        "_needed",
        "last_heard",
        "patient_since",
        "slack",
        "timers",
        "transmit_due",
        "unanswered_since",
        "up",
    )

    def __init__(self, timers: Timers, first: int, *, up: bool) -> None:
        """Ask first at `first`; `up` if the process before us saw it up."""
        self.timers = timers
        self.up = up
        self.last_heard: int | None = None
        self.unanswered_since: int | None = None
        """When the first of the requests after the last answered one was sent; None when there is none."""
        self.transmit_due = first
        self.patient_since = first
        """The instant from which the silence counts: the last answer, the start, or a change of timers."""
        self.slack = 0
        """Nanoseconds by which answers may be later than the one before them."""
        self._asked = 0
        self._needed = 1
        self._answers = 0

    @property
    def detection_due(self) -> int:
        """When the silence becomes a death: when the last of `multiplier` requests has had time to be answered."""
        return self.patient_since + self.timers.detection_ns + self.slack

    def sent(self, now: int) -> None:
        """A request was sent, or could not be."""
        self._asked = now
        if self.unanswered_since is None:
            self.unanswered_since = now
        # From when it was due, and not from now: being late each time would add up to a missing request.
        due = max(self.transmit_due, now - self.timers.interval_ns // 2)
        self.transmit_due = due + self.timers.interval_ns

    def answered(self, arrived: int, asked: int) -> bool:
        """The answer to what was asked at `asked` arrived; whether the tunnel came up by it."""
        if asked >= self._asked:
            self.unanswered_since = None
        elif self.unanswered_since is not None and asked >= self.unanswered_since:
            self.unanswered_since = min(asked + self.timers.interval_ns, self._asked)
        if self.last_heard is not None and arrived - self.last_heard > self.timers.detection_ns:
            self._answers = 0
        self.last_heard = arrived if self.last_heard is None else max(arrived, self.last_heard)
        self.patient_since = max(self.patient_since, arrived)
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

    def configure(self, timers: Timers, now: int, round_trip: int) -> None:
        """Ask at another rate. The silence counts anew: answers at the new rate come a round trip from now."""
        if timers == self.timers:
            return
        self.timers = timers
        self.patient_since = max(self.patient_since, now + 2 * round_trip)
        self.transmit_due = min(self.transmit_due, now)
