"""The judge that listens to one tunnel, a quarter of a second at a time; for tests that read as a story."""

from __future__ import annotations

from dataclasses import dataclass

from simulated_probes import DAMPING, LIMITS

from policies.health.course import Course
from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, remember
from policies.health.suspicion import Wish
from policies.health.usual import NO_USUAL, learnt
from policies.model.clock import Instant
from policies.model.health import Damping, HealthLimits, HealthState, HealthView, Samples

STEP = 0.25
FINE = Course(rtt=0.020)
BAD = Course(loss=0.10, rtt=0.020)
SLOW = Course(rtt=0.170)
UNSTEADY = Course(rtt=0.050, jitter=0.040)


@dataclass
class ListeningJudge:
    """A tunnel whose probes go one course after another; `wishes` are the bursts that were asked for."""

    memory: HealthMemory = NOTHING_REMEMBERED
    limits: HealthLimits = LIMITS
    damping: Damping | None = DAMPING
    failing: tuple[str, ...] = ()
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.wishes: list[Wish] = []

    @property
    def view(self) -> HealthView:
        """What is believed."""
        return self.memory.view

    @property
    def state(self) -> HealthState:
        """What is believed of its state."""
        return self.memory.view.state

    def goes(self, course: Course | None, seconds: float, *, burst: Course | None = None) -> None:
        """Probes go by `course` (None: none come), bursts by `burst` (None: they never come back)."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            then = self.now + STEP
            if course is not None:
                self.hears(course.samples(self.now, then))
            self.now = then
            wish = self.judges()
            if wish is not None and burst is not None:
                self.hears(burst._told(wish.asked, wish.asked, round(wish.asked / 0.01), wish.burst, burst=True))
                self.judges()

    def hears(self, samples: Samples) -> None:
        """Something was sampled."""
        self.memory = remember(self.memory, samples)

    def loses(self, *ago: float) -> None:
        """So many seconds ago a probe was lost, each time."""
        for each in ago:
            at = Instant(self.now - each)
            self.hears(Samples(at, at, 1, 1))

    def judges(self) -> Wish | None:
        """Judge now."""
        self.memory, wish = judge(self.memory, self.limits, self.damping, self.failing, Instant(self.now))
        if wish is not None and wish not in self.wishes:
            self.wishes.append(wish)
        return wish


def that_knows_its_usual(rtt: float = 0.020) -> ListeningJudge:
    """One that is up, and has been for a day."""
    listening = ListeningJudge(HealthMemory(usual=learnt(NO_USUAL, rtt, 86_400)))
    listening.goes(Course(rtt=rtt), 70)
    assert listening.state is HealthState.UP
    return listening
