"""A model of everything round the core: forwarder, ExaBGP, the branch and its tunnels, on a virtual clock.

The model knows the truth (which tunnels are cut, what the branch really holds); the core knows only the events. Time
goes by when `later` is called; everything else happens at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from small_network import HUB

from policies.decide import BranchDecision, decide_branch
from policies.forwarding import carrying
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.desired import ClassOrder
from policies.model.events import (
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
from policies.model.intent import Branch
from policies.model.view import ClassView, LivenessState, LivenessView, SessionState, View
from policies.moves import Move
from policies.observe import observe


@dataclass
class TunnelTruth:
    """What is really so of one tunnel, and what each end believes of its session."""

    cut: bool = False
    seen: LivenessState = LivenessState.UNKNOWN
    hub_session: bool = False
    branch_session: bool = False
    branch_holds: dict[Prefix, int] = field(default_factory=dict)
    relay_sent: dict[Prefix, int] = field(default_factory=dict)
    relay_complete: bool = False


class World:
    """A World plays one branch and its hub."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.tunnels = {tunnel.id: TunnelTruth() for tunnel in branch.tunnels}
        self.now = Instant(1000.0)
        self.view = View()
        self.move: Move | None = None
        self.classes: dict[str, ClassView] = {}
        self.decision: BranchDecision | None = None
        self.take(ForwarderConnected({}, {}, {}))
        self.take(SpeakerConnected(tunnels=frozenset(self.tunnels)))
        self.take(SpeakerReady(self.now, tunnels=frozenset(self.tunnels)))

    # what happens

    def later(self, seconds: float) -> None:
        self.now = Instant(self.now + seconds)
        self._decide()

    def cut(self, tunnel: TunnelId) -> None:
        self.tunnels[tunnel].cut = True

    def heal(self, tunnel: TunnelId) -> None:
        self.tunnels[tunnel].cut = False

    def detect(self, tunnel: TunnelId) -> None:
        """The hub's liveness catches up with the truth."""
        truth = self.tunnels[tunnel]
        state = LivenessState.DOWN if truth.cut else LivenessState.UP
        if truth.seen is state:
            return
        truth.seen = state
        self._forwarder_moves()
        self.take(LivenessChanged(tunnel, LivenessView(state, self.now, "model")))

    def dies(self, tunnel: TunnelId) -> None:
        """Cut, noticed, and the others told."""
        self.cut(tunnel)
        self.detect(tunnel)
        self.deliver_all()

    def returns(self, tunnel: TunnelId) -> None:
        """Healed, noticed, its session back and everybody told."""
        self.heal(tunnel)
        self.detect(tunnel)
        self.establish(tunnel)
        self.deliver_all()

    def deliver_all(self) -> None:
        """Twice, as what is sent on one session may be what another waits for."""
        for tunnel in [*self.tunnels, *self.tunnels]:
            self.deliver(tunnel)

    def establish(self, tunnel: TunnelId) -> None:
        """The branch connects, if its packets pass and it does not believe itself connected."""
        truth = self.tunnels[tunnel]
        if truth.cut or (truth.hub_session and truth.branch_session):
            return
        truth.hub_session = truth.branch_session = True
        truth.branch_holds, truth.relay_sent, truth.relay_complete = {}, {}, False
        self.take(SessionChanged(tunnel, SessionState.UP, self.now))
        self.take(RoutesHeard(tunnel, self.branch.prefixes, self.now))
        self.take(EndOfRibHeard(tunnel, self.now))

    def branch_gives_up(self, tunnel: TunnelId) -> None:
        """The branch's own hold timer: only on a tunnel that is cut."""
        truth = self.tunnels[tunnel]
        if truth.cut:
            truth.branch_session, truth.branch_holds = False, {}

    def deliver(self, tunnel: TunnelId) -> None:
        """What is wanted on this session is sent and arrives."""
        assert self.decision is not None
        truth = self.tunnels[tunnel]
        wanted = self.decision.announcements.get(tunnel)
        if wanted is None or not truth.hub_session or truth.cut:
            return
        said = {prefix: announcement.med for prefix, announcement in wanted.items()}
        complete = self.view.session_of(tunnel).complete
        if truth.branch_holds == said and complete:
            return
        truth.branch_holds, truth.relay_sent = dict(said), dict(said)
        self.take(AnnouncementsSent(tunnel, {p: Announcement(m) for p, m in said.items()}, (), self.now))
        if not complete:
            truth.relay_complete = True
            self.take(SetSent(tunnel, self.now))

    def restart_controller(self) -> None:
        """A new controller, which knows what forwarder and relay tell it, and nothing else."""
        self.view, self.move = View(), None
        self.forwarder_answers()
        self._relay_tells()

    def restart_controller_relay_first(self) -> None:
        """The same, but the relay is the first to answer."""
        self.view, self.move = View(), None
        self._relay_tells()
        for tunnel in self.tunnels:
            self.deliver(tunnel)
        self.forwarder_answers()

    def forwarder_answers(self) -> None:
        """It was connected to, and says all that it knows."""
        liveness = {t: LivenessView(truth.seen, self.now, "model") for t, truth in self.tunnels.items()}
        self.take(ForwarderConnected(liveness, dict(self.classes), {}))

    def _relay_tells(self) -> None:
        every = frozenset(self.tunnels)
        events: list[Event] = [SpeakerConnected(tunnels=every)]
        for tunnel, truth in self.tunnels.items():
            state = SessionState.UP if truth.hub_session else SessionState.DOWN
            sent = {p: Announcement(m) for p, m in truth.relay_sent.items()}
            events += [SessionChanged(tunnel, state, self.now), AnnouncementsSent(tunnel, sent, (), self.now)]
            if truth.hub_session:
                events += [RoutesHeard(tunnel, self.branch.prefixes, self.now), EndOfRibHeard(tunnel, self.now)]
            if truth.hub_session and truth.relay_complete:
                events.append(SetSent(tunnel, self.now))
        for event in [*events, SpeakerReady(self.now, tunnels=every)]:
            self.take(event)

    def probe(self) -> None:
        """The return-path probe: answered over whatever the branch uses, if that passes packets."""
        uses = self.branch_uses()
        if uses is not None and not self.tunnels[uses].cut:
            self.take(PathAnswered(self.branch.name, uses, self.now))

    # what is so

    def branch_uses(self) -> TunnelId | None:
        """The branch's best path: the lowest MED that it holds, by its own first tunnel among equals."""
        held = [
            (min(truth.branch_holds.values()), tunnel)
            for tunnel, truth in self.tunnels.items()
            if truth.branch_session and truth.branch_holds
        ]
        return min(held)[1] if held else None

    def hub_uses(self) -> TunnelId | None:
        forwarding = carrying(self.branch, self.view)
        return forwarding.active if forwarding is not None else None

    def live(self) -> list[TunnelId]:
        return [tunnel for tunnel, truth in self.tunnels.items() if not truth.cut]

    def settle(self) -> None:
        """Everything that can happen by itself happens, until nothing more does."""
        for _ in range(60):
            for tunnel in self.tunnels:
                self.detect(tunnel)
                self.branch_gives_up(tunnel)
                self.establish(tunnel)
            for tunnel in self.tunnels:
                self.deliver(tunnel)
            self.probe()
            self.later(0.004)
            self.probe()
            self.later(3.0)

    # the core, and what obeys it

    def take(self, event: Event) -> None:
        self.view = observe(self.view, event)
        self._decide()

    def _decide(self) -> None:
        decision = decide_branch(HUB, self.branch, self.view, self.move, self.now)
        self.decision, self.move = decision, decision.move
        for tunnel in decision.close:
            self._close(tunnel)
        for order in decision.classes.values():
            self._obey(order)
        for name in self.classes.keys() - self.decision.classes.keys():
            del self.classes[name]
            self.view = observe(self.view, ClassGone(name))

    def _close(self, tunnel: TunnelId) -> None:
        truth = self.tunnels[tunnel]
        if truth.hub_session:
            truth.hub_session = False
            if not truth.cut:
                truth.branch_session, truth.branch_holds = False, {}
            self.view = observe(self.view, SessionChanged(tunnel, SessionState.DOWN, self.now, "closed"))
            self._decide()

    def _obey(self, order: ClassOrder) -> None:
        known = self.classes.get(order.name)
        if known is not None and (known.epoch > order.based_on_epoch or self._same(known, order)):
            return
        active = order.active
        if active is not None and self.tunnels[active].seen is LivenessState.DOWN and self._first_live(order.order):
            return
        epoch = known.epoch if known is not None else 0
        since = known.since if known is not None and known.active == active else self.now
        state = ClassView(order.name, order.branch, active, order.order, order.prefixes, epoch, since, order.reason)
        self.classes[order.name] = state
        self.view = observe(self.view, ClassChanged(state))
        self._decide()

    @staticmethod
    def _same(known: ClassView, order: ClassOrder) -> bool:
        return (known.active, known.order, known.prefixes) == (order.active, order.order, order.prefixes)

    def _first_live(self, order: tuple[TunnelId, ...]) -> TunnelId | None:
        return next((t for t in order if self.tunnels[t].seen is LivenessState.UP), None)

    def _forwarder_moves(self) -> None:
        for name, known in self.classes.items():
            if known.active is not None and self.tunnels[known.active].seen is not LivenessState.DOWN:
                continue
            to = self._first_live(known.order)
            if to is not None and to != known.active:
                moved = ClassView(
                    name, known.branch, to, known.order, known.prefixes, known.epoch + 1, self.now, "died"
                )
                self.classes[name] = moved
                self.view = observe(self.view, ClassChanged(moved))
