"""A forwarder that probes one tunnel on a virtual clock, and the real judge that listens to it.

As the real one does, it calls a probe lost after a wait that follows the round trips (at least 60 ms), takes that back
when the answer comes after all, tells what it knows every 250 ms and of losses at once, and sends one burst at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random

from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, remember
from policies.model.clock import Instant
from policies.model.health import Damping, HealthLimits, HealthState, HealthView, Limit, Metric, Samples

REPORT, HASTE = 0.25, 0.05
BURST_SPACING = 0.005
ORDER_TAKES = 0.005
LATEST = 3.0


def limit(metric: Metric, value: float, seconds: float, *, above_usual: bool = False) -> Limit:
    """A limit in fewer words."""
    return Limit(metric, value, timedelta(seconds=seconds), above_usual)


LIMITS = HealthLimits(
    (
        limit(Metric.LOSS, 0.03, 5),
        limit(Metric.LOSS, 0.15, 1),
        limit(Metric.RTT, 0.080, 5, above_usual=True),
        limit(Metric.JITTER, 0.030, 10),
    ),
    (limit(Metric.LOSS, 0.01, 60), limit(Metric.RTT, 0.040, 60, above_usual=True), limit(Metric.JITTER, 0.015, 60)),
)
"""Those of the policy `careful` in the reference."""
DAMPING = Damping(timedelta(minutes=5), 3.0, 1.0, timedelta(minutes=30))

Course = Callable[[float], float]


@dataclass
class SimulatedProbes:
    """One tunnel whose `loss` (of the round trip, as a share) and `rtt` (seconds) are functions of time."""

    loss: Course
    rtt: Course
    interval: float = 0.1
    seed: int = 0
    limits: HealthLimits = LIMITS
    damping: Damping | None = DAMPING
    noise: float = 0.001
    bursts_work: bool = True
    memory: HealthMemory = NOTHING_REMEMBERED
    now: float = 1000.0
    probes: int = 0
    burst_probes: int = 0
    changes: list[tuple[float, HealthView]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._order = count()
        self._events: list[tuple[float, int, str, tuple[float, bool]]] = []
        self._known: dict[bool, list[tuple[float, float | None]]] = {False: [], True: []}
        self._late: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        self._smoothed, self._variation = 0.0, 0.0
        self._asked = 0.0
        self._running = 0
        self._is_overdue, self._told_at = False, 0.0
        self._plan(self.now + self._random.random() * self.interval, "probe", (0.0, False))
        self._plan(self.now + self._random.random() * REPORT, "report", (0.0, False))

    def run(self, until: float, *, stop: HealthState | None = None) -> float | None:
        """Go on until this time, or until the tunnel's state is `stop`: then that time, else None."""
        while self._events and self._events[0][0] <= until:
            self.now, _, what, told = heappop(self._events)
            getattr(self, f"_{what}")(*told)
            if stop is not None and self.memory.view.state is stop:
                return self.now
        self.now = until
        return None

    def _plan(self, at: float, what: str, told: tuple[float, bool]) -> None:
        heappush(self._events, (at, next(self._order), what, told))

    def _probe(self, left: float, burst: bool) -> None:
        self._send(burst)
        if not burst:
            self._plan(self.now + self.interval, "probe", (0.0, False))
        elif left > 1:
            self._plan(self.now + BURST_SPACING, "probe", (left - 1, True))

    def _send(self, burst: bool) -> None:
        if self._is_overdue and self.now >= self._told_at + HASTE:
            self._told_at, self._is_overdue = self.now, False
            self._tell()
        self.probes += not burst
        self.burst_probes += burst
        wait = min(max(0.06, self._smoothed + 4 * self._variation + 0.05), 1.0)
        took = self.rtt(self.now) + abs(self._random.gauss(0, self.noise))
        lost = self._random.random() < self.loss(self.now)
        if lost or took > wait:
            self._plan(self.now + wait, "missed", (self.now, burst))
            if not lost and took < LATEST:
                self._plan(self.now + took, "answered_late", (self.now, burst))
        else:
            self._plan(self.now + took, "answered", (self.now, burst))

    def _answered(self, sent: float, burst: bool) -> None:
        self._learn(self.now - sent, burst)
        self._known[burst].append((sent, self.now - sent))
        self._one_known(burst)

    def _missed(self, sent: float, burst: bool) -> None:
        self._known[burst].append((sent, None))
        self._is_overdue = True
        self._one_known(burst)

    def _answered_late(self, sent: float, burst: bool) -> None:
        self._learn(self.now - sent, burst)
        self._late[burst].append((sent, self.now - sent))

    def _learn(self, took: float, burst: bool) -> None:
        if burst:
            return
        if not self._smoothed:
            self._smoothed, self._variation = took, took / 2
        self._variation += (abs(self._smoothed - took) - self._variation) / 4
        self._smoothed += (took - self._smoothed) / 8

    def _one_known(self, burst: bool) -> None:
        if burst:
            self._running -= 1
            if not self._running:
                self._tell()

    def _report(self, _: float, __: bool) -> None:
        self._tell()
        self._plan(self.now + REPORT, "report", (0.0, False))

    def _tell(self) -> None:
        for burst in (False, True):
            known, self._known[burst] = sorted(self._known[burst]), []
            late, self._late[burst] = sorted(self._late[burst]), []
            if known:
                answers = tuple(took for _, took in known if took is not None)
                self._remember(known[0][0], known[-1][0], len(known), len(known) - len(answers), answers, burst)
            if late:
                self._remember(late[0][0], late[-1][0], 0, -len(late), tuple(took for _, took in late), burst)
        self._judge()

    def _remember(
        self, begins: float, ends: float, sent: int, lost: int, round_trips: tuple[float, ...], burst: bool
    ) -> None:
        told = Samples(Instant(begins), Instant(ends), sent, lost, round_trips, burst)
        self.memory = remember(self.memory, told)

    def _judge(self) -> None:
        before = self.memory.view
        self.memory, wish = judge(self.memory, self.limits, self.damping, (), Instant(self.now))
        if self.memory.view.state is not before.state:
            self.changes.append((self.now, self.memory.view))
        if wish is not None and wish.asked != self._asked:
            self._asked = wish.asked
            if self.bursts_work and not self._running:
                self._running = wish.burst
                self._plan(self.now + ORDER_TAKES, "probe", (wish.burst, True))
