"""hub: a view that is kept as a real one is, by events, with a forwarder and a branch that answer at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.decide import NO_MOVES, BranchDecision, decide_branch
from policies.model.announcement import Announcement, Announcements
from policies.model.clock import Instant, Now
from policies.model.desired import ClassOrder
from policies.model.events import (
    Adjusted,
    AnnouncementsSent,
    ClassChanged,
    ClassGone,
    EndOfRibHeard,
    Event,
    ForwarderConnected,
    LivenessChanged,
    PathAnswered,
    RoutesHeard,
    SessionChanged,
    SetSent,
    SpeakerConnected,
    SpeakerReady,
)
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Branch, Hub, Tunnel
from policies.model.policy import RuleChange
from policies.model.view import ClassView, LivenessState, LivenessView, SessionState, View
from policies.observe import observe

Advise = Callable[[View, TunnelId | None, Now], RuleChange | None]
"""What a policy script says of the branch, given what is believed and the tunnel that carries now."""


@dataclass
class SimulatedHub:
    """A SimulatedHub is the hub's view of one branch, and what was last decided.

    Orders are carried out as they are given, announcements arrive as they are made, and the branch uses the lowest MED
    of a live tunnel. A dead tunnel is left by the forwarder itself, as the real one does.
    """

    hub: Hub
    branch: Branch
    view: View
    decision: BranchDecision | None = None
    advise: Advise | None = None

    def take(self, event: Event) -> None:
        """One event, folded in."""
        self.view = observe(self.view, event)

    def decide(self, now: Now) -> bool:
        """Decide, and carry it out; whether anything changed by it."""
        moves = self.decision.moves if self.decision is not None else NO_MOVES
        before = self.decision
        if self.advise is not None:
            said = self.advise(self.view, self.active, now)
            if said != self.view.scripted(self.branch.name):
                self.take(Adjusted({self.branch.name: said} if said is not None else {}))
        self.decision = decided = decide_branch(self.hub, self.branch, self.view, moves, now)
        told = [self._tell(tunnel, each, now.monotonic) for tunnel, each in decided.announcements.items()]
        ordered = self._obey(decided, now.monotonic)
        self._answer(now.monotonic)
        return any(told) or ordered or before is None or before.verdict != decided.verdict

    @property
    def active(self) -> TunnelId | None:
        """The tunnel that carries most."""
        return self.decision.verdict.active if self.decision is not None else None

    def comes_up(self, tunnel: Tunnel, at: Instant) -> None:
        """A tunnel answers."""
        self.take(LivenessChanged(tunnel.id, LivenessView(LivenessState.UP, at, "answers")))

    def session_up(self, tunnel: Tunnel, at: Instant) -> None:
        """The branch's session over it stands, and it has announced all it has."""
        self.take(SessionChanged(tunnel.id, SessionState.UP, at))
        self.take(RoutesHeard(tunnel.id, self.branch.prefixes, at))
        self.take(EndOfRibHeard(tunnel.id, at))
        self.take(SetSent(tunnel.id, at))

    def dies(self, tunnel: Tunnel, at: Instant) -> None:
        """A tunnel is dead, and its session too; the classes on it move."""
        self.take(LivenessChanged(tunnel.id, LivenessView(LivenessState.DOWN, at, "silent")))
        self.take(SessionChanged(tunnel.id, SessionState.DOWN, at, "the tunnel is dead"))
        for known in self.view.classes_of(self.branch.name):
            if known.active == tunnel.id:
                self._leave(known, at)

    def _leave(self, known: ClassView, at: Instant) -> None:
        live = [t for t in known.order if self.view.liveness_of(t).state is LivenessState.UP]
        if live:
            moved = ClassView(
                known.name, known.branch, live[0], known.order, known.prefixes, known.epoch + 1, at, "", known.sources
            )
            self.take(ClassChanged(moved))

    def _tell(self, tunnel: TunnelId, said: Announcements, at: Instant) -> bool:
        session = self.view.session_of(tunnel)
        if session.state is not SessionState.UP or dict(session.sent) == dict(said):
            return False
        withdrawn = tuple(prefix for prefix in session.sent if prefix not in said)
        changed = {prefix: each for prefix, each in said.items() if session.sent.get(prefix) != each}
        self.take(AnnouncementsSent(tunnel, changed, withdrawn, at))
        return True

    def _obey(self, decided: BranchDecision, at: Instant) -> bool:
        changed = False
        for known in self.view.classes_of(self.branch.name):
            if known.name not in decided.classes:
                self.take(ClassGone(known.name))
                changed = True
        for name, order in decided.classes.items():
            was = self.view.classes.get(name)
            same = was is not None and (was.active, was.order, was.prefixes) == (
                order.active,
                order.order,
                order.prefixes,
            )
            if same or self._refuses(order):
                continue
            since = at if was is None or was.active != order.active else was.since
            epoch = was.epoch if was is not None else 0
            self.take(
                ClassChanged(
                    ClassView(
                        name,
                        order.branch,
                        order.active,
                        order.order,
                        order.prefixes,
                        epoch,
                        since,
                        order.reason,
                        order.sources,
                    )
                )
            )
            changed = True
        return changed

    def _refuses(self, order: ClassOrder) -> bool:
        """Whether it sends a class into a dead tunnel where another is not; what only has dead ones is obeyed."""
        states = {tunnel: self.view.liveness_of(tunnel).state for tunnel in order.order}
        dead = order.active is not None and self.view.liveness_of(order.active).state is LivenessState.DOWN
        return dead and any(state is not LivenessState.DOWN for state in states.values())

    def _answer(self, at: Instant) -> None:
        """The branch answers by the tunnel that it holds the best value of."""
        for version in self.branch.versions:
            probed = tuple(prefix for prefix in self.hub.prefixes if prefix.version == version)
            best = best_told(self.view, self.branch, probed)
            if best is not None:
                self.take(PathAnswered(self.branch.name, best, at, version))


def best_told(view: View, branch: Branch, prefixes: tuple[Prefix, ...]) -> TunnelId | None:
    """The live tunnel by which the branch sends to the first of these prefixes that it was told of."""
    told: list[tuple[int, TunnelId]] = []
    for tunnel in branch.tunnels:
        sent: Mapping[Prefix, Announcement] = view.session_of(tunnel.id).sent
        meds = [sent[prefix].med for prefix in prefixes if prefix in sent]
        if meds and view.liveness_of(tunnel.id).state is LivenessState.UP:
            told.append((meds[0], tunnel.id))
    return min(told)[1] if told else None


def well(hub: Hub, branch: Branch, at: Instant, advise: Advise | None = None) -> SimulatedHub:
    """A hub whose tunnels all live, with their sessions, before the first decision."""
    simulated = SimulatedHub(hub, branch, View(), advise=advise)
    ids = frozenset(tunnel.id for tunnel in branch.tunnels)
    for process in sorted({tunnel.process for tunnel in branch.tunnels}):
        simulated.take(SpeakerConnected(process, ids))
        simulated.take(SpeakerReady(at, process, frozenset()))
    up = LivenessView(LivenessState.UP, at, "answers", after_death=False, known_since=at)
    simulated.take(ForwarderConnected(dict.fromkeys(ids, up), {}, {}))
    for tunnel in branch.tunnels:
        simulated.session_up(tunnel, at)
    return simulated
