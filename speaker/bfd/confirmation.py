"""Adaptive confirmation: whether a silence is a death is found out, not waited for. Pure; nanoseconds of one clock.

When a packet is late, a burst of probes is sent. Any answer ends the doubt. When all are unanswered for longer than an
answer may take, while a witness (another tunnel of the same branch) is heard, the tunnel is dead. The arithmetic of
false alarms is in docs/explanation/confirmation.md.
"""

from __future__ import annotations

import math
from enum import Enum

from speaker.bfd.estimates import Gaps, RoundTrip
from speaker.bfd.timing import NEVER

_MS = 1_000_000
SPACING = 2 * _MS
"""Nanoseconds between the probes of a burst: losses of the same moment are seldom independent."""
MOST_PROBES = 12
FALSE_BURST = 1e-7
"""How probable it may be that all probes of a burst are lost, or their answers, on a tunnel that lives."""
LEAST_LOSS = 0.02
"""The loss of the round trip that is reckoned with where less was measured."""
SHORTEST_MARGIN = 2 * _MS
SHORTEST_WAIT = 5 * _MS
STEADY = 4
"""Packets in their time before a late one means anything: a branch advertises a new rate before it uses it."""
MOST_BURSTS = 3
"""Bursts of one silence; then the detection time decides."""
MOST_RESTARTS = 20
"""Bursts that are repeated because the hub itself was late; then the detection time decides."""
HEALTHY = 1_000 * _MS
"""Nanoseconds for which a tunnel must answer after its death before it is believed."""


class Verdict(Enum):
    """What is to be done now."""

    WAIT = "wait"
    ASK = "ask"
    DEAD = "dead"


def probes(loss: float) -> int:
    """How many probes a burst has, for a loss of the round trip between 0 and 1."""
    likely = min(max(loss, LEAST_LOSS), 0.99)
    return min(math.ceil(math.log(FALSE_BURST) / math.log(likely)), MOST_PROBES)


class Doubt:
    """A Doubt judges the silences of one tunnel. `both_ways`: the packets that are awaited are answers to our own."""

    __slots__ = (
        "_asked",
        "_asked_again",
        "_began",
        "_bursts",
        "_last_asked",
        "_not_before",
        "_planned",
        "_restarts",
        "_wait",
        "both_ways",
        "gaps",
        "round_trip",
    )

    def __init__(self, interval: int, *, both_ways: bool) -> None:
        self.both_ways = both_ways
        self.gaps = Gaps(interval)
        self.round_trip = RoundTrip()
        self._began: int | None = None
        self._asked = self._planned = self._last_asked = self._wait = 0
        self._bursts = self._restarts = self._not_before = 0
        self._asked_again = False

    # what is known

    @property
    def armed(self) -> bool:
        """Whether enough is known of the tunnel for a late packet to mean something."""
        return self.gaps.steady >= STEADY and self.round_trip.samples > 0

    @property
    def asking(self) -> bool:
        """Whether a burst is under way."""
        return self._began is not None

    @property
    def planned(self) -> int:
        """The probes of the present burst."""
        return self._planned

    @property
    def lasts(self) -> int:
        """Nanoseconds from the first probe of the present burst to its end."""
        return (self._planned - 1) * SPACING + self._wait

    @property
    def due(self) -> int:
        """When `judge` must be asked next; `NEVER` while there is no doubt."""
        if self._began is None:
            return NEVER
        if self._asked < self._planned:
            return self._last_asked + SPACING if self._asked else self._began
        return self._last_asked + self._wait

    def late_at(self, expected: int) -> int:
        """When a packet that was expected at an instant is late. `NEVER` while the tunnel is not armed.

        What is expected is the end of the longest interval since the last packet; where packets are answers, the
        instant at which the request was sent.
        """
        if not self.armed or self._bursts >= MOST_BURSTS:
            return NEVER
        return max(expected + self._margin(), self._not_before)

    @property
    def slack(self) -> int:
        """By how much an answer may be later than the round trip that is usual."""
        return max(SHORTEST_MARGIN, 4 * self.round_trip.variation)

    @property
    def answers_within(self) -> int:
        """Nanoseconds in which an answer is here as a rule; 0 while none came."""
        return self.round_trip.smoothed + self.slack if self.round_trip.samples else 0

    def _margin(self) -> int:
        if self.both_ways:
            return self.round_trip.smoothed + self.slack
        return max(SHORTEST_MARGIN, self.gaps.interval // 25, 4 * self.gaps.lateness)

    # what happens

    def begin(self, now: int) -> None:
        """A packet is late: the burst begins."""
        trip = self.round_trip
        longest = min(3 * trip.smoothed, trip.smoothed + 10 * _MS)
        usual = trip.smoothed + 4 * trip.variation + 2 * _MS
        self._wait = max(SHORTEST_WAIT, longest, usual)
        loss = self.gaps.loss
        self._planned = probes(loss if self.both_ways else 1 - (1 - loss) ** 2)
        self._began, self._asked = now, 0

    def asked(self, now: int) -> int:
        """A probe of the burst was sent; its number, from 1."""
        self._asked, self._last_asked = self._asked + 1, now
        return self._asked

    def heard(self, arrived: int, now: int) -> bool:
        """Something came over the tunnel; whether that ended a doubt."""
        began = self._began
        if began is not None and arrived <= began:
            return False
        self._bursts = self._restarts = 0
        self._asked_again = False
        if began is None:
            return False
        self._end()
        # By an answer of the one kind the packets of the other are not less late: they are given an interval.
        self._not_before = now + self.gaps.interval
        return True

    def judge(self, now: int, *, witness_heard: int | None, hub_slept: bool, unlike: bool) -> Verdict:
        """What to do at `due`.

        `witness_heard` is when another tunnel of the branch last showed that it works; `hub_slept` whether this process
        was kept from running since the burst began; `unlike` whether a tunnel of another ISP and another uplink of the
        hub is silent at the same moment, which looks more like a fault of the hub than like two of the lines.
        """
        began = self._began
        if began is None or now < self.due:
            return Verdict.WAIT
        if self._asked < self._planned:
            return Verdict.ASK
        if hub_slept and self._restarts < MOST_RESTARTS:
            self._restarts += 1
            self.begin(now)
            return Verdict.ASK
        if witness_heard is not None and witness_heard > began and not hub_slept:
            if not unlike or self._asked_again:
                self._end()
                return Verdict.DEAD
            self._asked_again = True
            self.begin(now)
            return Verdict.ASK
        self._bursts += 1
        if self._bursts >= MOST_BURSTS:
            self._end()
            return Verdict.WAIT
        self.begin(now)
        return Verdict.ASK

    def forget(self) -> None:
        """The tunnel begins anew, or is judged by others."""
        self._end()
        self._bursts = self._restarts = self._not_before = 0
        self._asked_again = False
        self.gaps.forget()

    def _end(self) -> None:
        self._began = None


class Healing:
    """A Healing watches a tunnel that was found dead while its session stands, until it answers steadily."""

    __slots__ = ("_last", "_longest_gap", "_since")

    def __init__(self, longest_gap: int) -> None:
        """`longest_gap` nanoseconds without an answer begin the trial anew."""
        self._longest_gap = longest_gap
        self._since: int | None = None
        self._last = 0

    def answered(self, arrived: int) -> bool:
        """An answer to a probe arrived; whether the tunnel is to be believed now."""
        if self._since is None or arrived - self._last > self._longest_gap:
            self._since = arrived
        self._last = max(self._last, arrived)
        return self._last - self._since >= HEALTHY
