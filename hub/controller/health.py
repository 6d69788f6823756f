"""Health in the controller: samples in, judged tunnel by tunnel, and what changed out as events. No I/O.

What is usual on each tunnel, which ones are degraded or held back by damping, outlives the process: `kept` and `recall`
are for whoever keeps it. Without that a new controller would take a bad tunnel for a good one until it is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from policies.health import damping
from policies.health.damping import NO_PENALTY, Penalty
from policies.health.judge import judge
from policies.health.memory import (
    NOTHING_REMEMBERED,
    SETTLING,
    Degraded,
    HealthMemory,
    begun,
    died,
    recalled,
    remember,
    revived,
    with_usual,
)
from policies.health.usual import NO_USUAL, Usual
from policies.model.clock import NEVER, Instant
from policies.model.events import Event, ForwarderConnected, HealthChanged, LivenessChanged, SamplesTaken
from policies.model.health import Damping, HealthState, HealthView, Hint
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.view import LivenessState, LivenessView

Failing = Callable[[TunnelId], tuple[str, ...]]
"""The targets, checks and sizes of packets that speak against a tunnel now, each in words."""
Hints = Callable[[TunnelId], tuple[Hint, ...]]
"""What may explain a tunnel's state, and decides nothing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A Kept is what is remembered of a tunnel beyond a process.

    What is usual, since when and why it is degraded, what damping holds against it, when it last ceased to be degraded,
    and whether it was dead: a death that was counted is not counted again. `failed`: it was degraded by a target, a
    check or the size of packets, of which a new process knows nothing for a while; the hold begins then.
    `connected`: it was up at least once.
    """

    usual: Usual
    degraded: Degraded | None = None
    penalty: Penalty = NO_PENALTY
    recovered: Instant = NEVER
    is_dead: bool = False
    failed: bool = False
    connected: bool = False


NOTHING_KEPT = Kept(NO_USUAL)


class HealthWatch:
    """A HealthWatch has the memory of every tunnel's health. `take` gets a `HealthChanged` when one is another.

    `burst` has probes sent over a tunnel, which come back as samples.
    """

    def __init__(
        self,
        intent: Intent,
        take: Callable[[Event], None],
        burst: Callable[[TunnelId, int], None],
        failing: Failing,
        hints: Hints = lambda _: (),
    ) -> None:
        self._take, self._burst, self._failing, self._hints = take, burst, failing, hints
        self._memories: dict[TunnelId, HealthMemory] = {}
        self._told: dict[TunnelId, HealthView] = {}
        self._asked: dict[TunnelId, Instant] = {}
        self._tunnels: dict[TunnelId, tuple[Tunnel, Branch]] = {}
        self._stored: dict[TunnelId, Kept] = {}
        self._connected: set[TunnelId] = set()
        self.turned: Callable[[], None] = lambda: None
        """Called when a tunnel has become degraded, or is so no longer, and when damping counted one more."""
        self.reconfigure(intent)

    def reconfigure(self, intent: Intent) -> None:
        """Judge by this configuration from now on; of a tunnel that is gone what outlives a process is remembered.

        But for that it was up: who comes by its name may be another router, which has to be put up first.
        """
        self._tunnels = {
            tunnel.id: (tunnel, branch) for branch in intent.branches.values() for tunnel in branch.tunnels
        }
        for gone in self._memories.keys() - self._tunnels.keys():
            self._stored[gone] = self._kept(gone, self._memories.pop(gone))
            self._told.pop(gone, None)
            self._asked.pop(gone, None)
        for gone in self._stored.keys() - self._tunnels.keys():
            self._stored[gone] = replace(self._stored[gone], connected=False)
        self._connected &= self._tunnels.keys()

    def heard(self, event: Event, now: Instant) -> None:
        """An event that may say something of health; all others are left alone."""
        match event:
            case SamplesTaken(samples):
                for tunnel, taken in samples.items():
                    if tunnel in self._tunnels:
                        memory = self._memory(tunnel, now)
                        for each in taken:
                            memory = remember(memory, each)
                        self._judge(tunnel, memory, now)
            case LivenessChanged(tunnel, liveness):
                self._lives_or_dies(tunnel, liveness, now)
            case ForwarderConnected(liveness=liveness):
                for tunnel, lives in liveness.items():
                    self._lives_or_dies(tunnel, lives, now)
            case _:
                pass

    def look(self, now: Instant) -> None:
        """Judge what time alone, a target or a check may have changed."""
        for tunnel in self._tunnels:
            self._judge(tunnel, self._memory(tunnel, now), now)

    @property
    def kept(self) -> Mapping[TunnelId, Kept]:
        """What is to be remembered of every tunnel that there is, or was."""
        return self._stored | {tunnel: self._kept(tunnel, memory) for tunnel, memory in self._memories.items()}

    @property
    def connected(self) -> frozenset[TunnelId]:
        """The tunnels that were up at least once, as far back as is remembered."""
        return frozenset(self._connected)

    @property
    def never_up(self) -> frozenset[TunnelId]:
        """All other tunnels."""
        return frozenset(self._tunnels.keys() - self._connected)

    @property
    def memories(self) -> Mapping[TunnelId, HealthMemory]:
        """All that is remembered of each tunnel that was judged, as it is now."""
        return dict(self._memories)

    def recall(self, stored: Mapping[TunnelId, Kept]) -> None:
        """Take up what was so before this process."""
        known = self._tunnels.keys()
        here = {tunnel: kept if tunnel in known else replace(kept, connected=False) for tunnel, kept in stored.items()}
        self._stored = {**here, **self._stored}
        self._connected |= {tunnel for tunnel, kept in here.items() if kept.connected}

    def forget_usual(self, tunnel: TunnelId, now: Instant) -> Usual:
        """Learn anew what is usual on a tunnel of the configuration, and judge it by that; what was usual before."""
        memory = self._memory(tunnel, now)
        self._judge(tunnel, with_usual(memory, NO_USUAL), now)
        return memory.usual

    def _kept(self, tunnel: TunnelId, memory: HealthMemory) -> Kept:
        view = memory.view
        return Kept(
            usual=memory.usual,
            degraded=memory.degraded,
            penalty=memory.penalty,
            recovered=view.recovered,
            is_dead=memory.is_dead,
            failed=is_degraded(view) and memory.degraded is None,
            connected=tunnel in self._connected,
        )

    def _memory(self, tunnel: TunnelId, now: Instant) -> HealthMemory:
        known = self._memories.get(tunnel)
        if known is None:
            stored = self._stored.pop(tunnel, NOTHING_KEPT)
            penalty = damping.recalled(stored.penalty, self._damping(tunnel), now)
            known = with_usual(NOTHING_REMEMBERED, stored.usual)
            recovered = now if stored.failed else stored.recovered
            known = recalled(known, stored.degraded, penalty, recovered, is_dead=stored.is_dead)
            self._memories[tunnel] = known
        return known

    def _damping(self, tunnel: TunnelId) -> Damping | None:
        known, branch = self._tunnels[tunnel]
        return branch.damping_of(known)

    def _lives_or_dies(self, tunnel: TunnelId, liveness: LivenessView, now: Instant) -> None:
        if tunnel not in self._tunnels:
            return
        memory = self._memory(tunnel, now)
        if liveness.state is LivenessState.DOWN:
            memory = died(memory, self._damping(tunnel), liveness.since)
        elif liveness.state is LivenessState.UP:
            settled = Instant(liveness.since + SETTLING)
            memory = revived(memory, settled) if memory.is_dead else begun(memory, settled)
            if tunnel not in self._connected:
                self._connected.add(tunnel)
                self.turned()
        self._judge(tunnel, memory, now)

    def _judge(self, tunnel: TunnelId, memory: HealthMemory, now: Instant) -> None:
        known, branch = self._tunnels[tunnel]
        memory, wish = judge(memory, branch.limits_of(known), branch.damping_of(known), self._failing(tunnel), now)
        counted = memory.penalty != self._memory(tunnel, now).penalty
        self._memories[tunnel] = memory
        if wish is not None and self._asked.get(tunnel) != wish.asked:
            self._asked[tunnel] = wish.asked
            self._burst(tunnel, wish.burst)
        told, hints = self._told.get(tunnel), self._hints(tunnel)
        view = replace(memory.view, hints=hints) if hints else memory.view
        if told is None or differs(told, view):
            self._told[tunnel] = view
            self._take(HealthChanged(tunnel, view))
            counted = counted or (told is not None and is_degraded(told) is not is_degraded(view))
        if counted:
            self.turned()


def what_is_heard(event: Event) -> str:
    """Of what, and of which tunnels, an event tells that may say something of health."""
    match event:
        case SamplesTaken(samples):
            return f"samples of {', '.join(map(str, samples))}"
        case LivenessChanged(tunnel):
            return f"liveness of {tunnel}"
        case _:
            return "liveness of all tunnels"


def is_degraded(view: HealthView) -> bool:
    """Whether the tunnel is called bad."""
    return view.state is HealthState.DEGRADED


def differs(was: HealthView, now: HealthView) -> bool:
    """Whether a view says something else than before, the instants of looking and the reason's figures aside."""
    said = was.state is not now.state or was.failing != now.failing or was.hints != now.hints
    said = said or (was.penalty_at, was.suppressed_until) != (now.penalty_at, now.suppressed_until)
    figures = was.figures != now.figures or was.usual_rtt != now.usual_rtt
    return said or figures or (now.state is HealthState.DEGRADED and was.reason != now.reason)
