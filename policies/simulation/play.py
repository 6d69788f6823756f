"""play: a course of events, described by its changes, against the real core on a virtual clock.

Between two changes everything stays as it is, so the clock jumps: by a quarter of a second while a verdict is near, by
up to an hour when nothing has happened for long. A month of a branch takes a second or two.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from policies.health.course import LONGEST_STEP, Course, next_look
from policies.health.judge import judge
from policies.health.memory import NOTHING_REMEMBERED, HealthMemory, died, remember, revived, with_usual
from policies.health.suspicion import SPACING, Wish
from policies.health.usual import NO_USUAL, learnt
from policies.model.clock import NEVER, Instant, Now
from policies.model.events import HealthChanged, InForceChanged
from policies.model.health import HealthLimits, HealthState, HealthView
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, Tunnel
from policies.model.overrides import NONE_IN_FORCE, InForce
from policies.ranking import standing_order
from policies.simulation.hub import Advise, SimulatedHub, well
from policies.simulation.line import Line
from policies.simulation.track import Moved, Track, cause

START = Instant(1_000_000.0)
"""The monotonic clock at the beginning: no instant of a simulation is NEVER."""
RETURNS = 1.0
"""Seconds from a healed line to a live tunnel."""
SESSION_RETURNS = 3.0
"""Seconds from a live tunnel to a session that has told all."""
FOLLOWS = 0.05
"""Seconds until the branch is seen to have done what it was told; while it is watched it is looked at as often."""
FIRST_STRIDE = 5.0
"""Seconds after a change of a tunnel within which it is looked at again at the latest; later after half its age."""
CLOSELY = 0.02
"""The least stride while a verdict is near, as a share of the time since the change: it may be near for ever."""
KNOWN = 86_400.0
"""Seconds for which every tunnel had the round trip that it begins with: it is what is usual on it."""
ITS_TIME = 600.0
"""Seconds for which the word for a failback counts, as on a hub."""


@dataclass(frozen=True, slots=True)
class Step:
    """A Step is what changes at a time, in seconds from the start.

    `lines` has for each tunnel named its new line. The rest is what operators say: `undrain` and `unswitch` take back.
    """

    at: float
    lines: Mapping[str, Line] = field(default_factory=dict)
    drain: frozenset[str] = frozenset()
    undrain: frozenset[str] = frozenset()
    switch: str | None = None
    unswitch: bool = False
    freeze: bool | None = None
    failback: bool = False


@dataclass
class _Tunnel:
    tunnel: Tunnel
    line: Line
    measured: Instant = START
    """Until when its probes have been told of."""
    memory: HealthMemory = NOTHING_REMEMBERED
    told: HealthView | None = None
    asked: Instant | None = None
    changed: Instant = START
    look: Instant = START
    """When it is to be judged next."""


def play(
    hub: Hub, branch: Branch, steps: Iterable[Step], seconds: float, start: datetime, advise: Advise | None = None
) -> Track:
    """Where the branch is, for so many seconds from `start` on (with its zone); before, all tunnels were long well.

    `advise` stands for a policy script. It is asked before each decision, and every minute.
    """
    return _Play(hub, branch, start, advise).until(sorted(steps, key=lambda step: step.at), seconds)


class _Play:
    def __init__(self, hub: Hub, branch: Branch, start: datetime, advise: Advise | None) -> None:
        self._branch = branch
        self._start = start.astimezone(UTC)  # in which seconds may be added: days with a change of clocks differ
        self._now = START
        self._hub: SimulatedHub = well(hub, branch, START, advise)
        self._plain_order = tuple(tunnel.id for tunnel in standing_order(branch))
        self._tunnels = {t.id.name: _Tunnel(t, Line()) for t in branch.tunnels}
        self._timers: list[tuple[Instant, int, Callable[[], None]]] = []
        self._number = count()
        self._said = NONE_IN_FORCE
        self._word_ends = NEVER
        self._follows = NEVER
        self._dirty = True
        self._moves: list[Moved] = []

    def until(self, steps: list[Step], seconds: float) -> Track:
        for step in steps:
            if step.at <= 0:
                self._take(step)
            else:
                self._at(step.at, lambda step=step: self._take(step))  # type: ignore[misc]
        for each in self._tunnels.values():
            each.memory = with_usual(each.memory, learnt(NO_USUAL, each.line.rtt, KNOWN))
        end = Instant(START + seconds)
        if self._hub.advise is not None:
            self._in(60.0 - (self._start.second + self._start.microsecond / 1e6), self._each_minute)
        self._look()
        while self._now < end:
            self._go(min(self._next(), end))
        preferred = self._plain_order[0].name
        metered = frozenset(t.id.name for t in self._branch.tunnels if t.uplink.metered)
        return Track(self._branch.name, seconds, tuple(self._moves), metered, preferred)

    def _each_minute(self) -> None:
        self._in(60.0, self._each_minute)

    def _at(self, after: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (Instant(START + after), next(self._number), act))

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        self._at(self._now + seconds - START, act)

    def _next(self) -> Instant:
        decision = self._hub.decision
        wake = decision.wake_at if decision is not None and decision.wake_at is not None else NEVER
        moments = [each.look for each in self._tunnels.values()]
        moments += [timer[0] for timer in self._timers[:1]]
        return min((moment for moment in (*moments, wake) if moment > self._now), default=Instant(self._now + 1.0))

    def _go(self, to: Instant) -> None:
        before, self._now = self._now, to
        for each in self._tunnels.values():
            if each.look <= to:
                self._measure(each)
        while self._timers and self._timers[0][0] <= to:
            heapq.heappop(self._timers)[2]()
            self._dirty = True
        decision = self._hub.decision
        if decision is not None and decision.wake_at is not None and before < decision.wake_at <= to:
            self._dirty = True
        self._look()

    def _measure(self, each: _Tunnel) -> None:
        """The samples until now, by the line as it was until now."""
        samples = self._course(each).samples(each.measured, self._now)
        if samples.sent or not each.line.up:
            each.measured = self._now
        if samples.sent and each.line.up:
            each.memory = remember(each.memory, samples)

    def _course(self, each: _Tunnel) -> Course:
        """What its probes tell, as long as nothing changes."""
        return each.line.course(each.tunnel, in_use=each.tunnel.id == self._hub.active)

    def _touch(self, each: _Tunnel) -> None:
        """Something about it changes now: it is looked at closely for a while."""
        each.changed = each.look = self._now

    def _look(self) -> None:
        for each in self._tunnels.values():
            if each.look <= self._now:
                self._judge(each)
        if not self._dirty:
            return
        self._dirty = False
        changed = self._hub.decide(Now(self._now, self._start + timedelta(seconds=self._now - START)))
        watched = self._hub.decision is not None and self._hub.decision.look
        if (changed or watched) and self._follows <= self._now:
            self._follows = Instant(self._now + FOLLOWS)
            self._in(FOLLOWS, lambda: None)
        self._note()

    def _note(self) -> None:
        """The move that was just made, if there was one; a death moves before anything is decided."""
        carried = next((c.active for c in self._hub.view.classes_of(self._branch.name) if not c.sources), None)
        before = self._moves[-1].after if self._moves else None
        if carried is None or carried.name == before:
            return
        left = TunnelId(self._branch.name, before) if before is not None else None
        word, text = cause(self._hub.view, left, carried, self._plain_order)
        self._moves.append(Moved(self._now - START, before, carried.name, word, text))
        for name in (before, carried.name):
            if name is not None:
                self._measure(self._tunnels[name])
                self._touch(self._tunnels[name])

    def _judge(self, each: _Tunnel) -> None:
        limits = self._branch.limits_of(each.tunnel)
        each.memory, wish = judge(each.memory, limits, self._branch.damping_of(each.tunnel), (), self._now)
        if wish is not None and wish.asked != each.asked:
            each.asked = wish.asked
            self._in(wish.burst * SPACING, lambda: self._burst(each, wish))
        view = each.memory.view
        if each.told is None or _matters(each.told, view):
            if each.told is not None and each.told.state is not view.state:
                self._touch(each)
            each.told = view
            self._hub.take(HealthChanged(each.tunnel.id, view))
            self._dirty = True
        each.look = Instant(max(self._now + 1e-3, min(self._due(each, limits))))

    def _due(self, each: _Tunnel, limits: HealthLimits) -> Iterator[float]:
        """When it could be judged otherwise, if the line stays as it is. It is never silent for long: that is death."""
        age = self._now - each.changed
        yield self._now + min(max(FIRST_STRIDE, age / 2), LONGEST_STEP)
        closely = next_look(each.memory, self._course(each), limits, self._now)
        yield max(closely, self._now + age * CLOSELY)
        if each.memory.suspicion is not None and each.memory.view.next_at is not None:
            yield each.memory.view.next_at
        if each.memory.view.suppressed_until > self._now:
            yield each.memory.view.suppressed_until

    def _burst(self, each: _Tunnel, wish: Wish) -> None:
        """A burst that has just ended."""
        if each.line.up:
            each.memory = remember(each.memory, self._course(each).burst(wish, 0, wish.burst))
            each.look = self._now

    def _take(self, step: Step) -> None:
        for name, line in step.lines.items():
            self._line(self._tunnels[name], line)
        ids = {name: each.tunnel.id for name, each in self._tunnels.items()}
        drained = (self._said.drained | {ids[n] for n in step.drain}) - {ids[n] for n in step.undrain}
        switched = None if step.unswitch else ids[step.switch] if step.switch is not None else self._said.switched
        frozen = self._said.frozen if step.freeze is None else step.freeze
        if step.failback:
            self._word_ends = Instant(self._now + ITS_TIME)
            self._in(ITS_TIME, self._say)
        self._say(InForce(frozenset(drained), switched, frozen))

    def _say(self, said: InForce | None = None) -> None:
        """This is said by operators from now on; the word for a failback too, while it counts."""
        said = replace(said or self._said, go_back=self._now < self._word_ends)
        if said != self._said:
            self._said = said
            self._hub.take(InForceChanged({self._branch.name: said}, self._now))

    def _line(self, each: _Tunnel, line: Line) -> None:
        self._measure(each)
        self._touch(each)
        was, each.line = each.line, line
        if was.up and not line.up:
            detection = each.tunnel.liveness.active.detection_time.total_seconds()
            self._in(detection, lambda: self._dies(each))
        if line.up and not was.up:
            self._in(RETURNS, lambda: self._returns(each))

    def _dies(self, each: _Tunnel) -> None:
        if each.line.up:
            return
        each.memory = died(each.memory, self._branch.damping_of(each.tunnel), self._now)
        self._hub.dies(each.tunnel, self._now)
        self._touch(each)
        self._note()

    def _returns(self, each: _Tunnel) -> None:
        if not each.line.up:
            return
        each.memory, each.measured = revived(each.memory, self._now), self._now
        self._hub.comes_up(each.tunnel, self._now)
        self._touch(each)
        self._in(SESSION_RETURNS, lambda: self._session(each))

    def _session(self, each: _Tunnel) -> None:
        if each.line.up:
            self._hub.session_up(each.tunnel, self._now)


def _matters(was: HealthView, now: HealthView) -> bool:
    """Whether a decision could be another one."""
    bad = HealthState.DEGRADED in (was.state, now.state)
    figures = bad and was.figures != now.figures
    return was.state is not now.state or was.suppressed_until != now.suppressed_until or figures


def changed(line: Line, **figures: float | bool) -> Line:
    """The line with some of its figures changed."""
    return replace(line, **figures)  # type: ignore[arg-type]
