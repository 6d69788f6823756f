"""What must never be, whatever happened: one function each, called at every change that could make it so."""

from __future__ import annotations

from collections.abc import Iterator

from histories import promises
from histories.controller import Controller
from histories.ruled import CALM_FROM
from histories.timeline import START
from histories.traffic import all_traffic, edges, goes_by_the_clock, lowest_held, named, sources_holding
from histories.world import World
from hub.forwarder.classes import ForwardingClass, Order
from policies.announced import announced_to
from policies.decide import BranchDecision
from policies.model.ids import Prefix, TunnelId
from policies.model.verdicts import Verdict
from policies.model.view import LivenessState, SessionState, SessionView, View
from speaker.bgp.ledger import URGENT_WINDOW
from speaker.bgp.text import Announce, Command

SOON = 0.005
"""Seconds after which a change of the rules that count, which time alone makes, is obeyed."""


class ViolationError(AssertionError):
    """Something that must never be; `rule` is the name of the invariant."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


class Invariants:
    """The Invariants of one world: they watch it, and raise a ViolationError."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._checks: set[tuple[str, Prefix]] = set()
        self._tied: dict[Prefix, float] = {}
        self._said_at: dict[int, tuple[float, Command]] = {}
        world.on_change = self.paths
        world.on_controller = self._watch
        for exabgp in world.exabgps.values():
            exabgp.overtaken = self.one_change_at_a_time
        world.forwarder.on_order = self.no_stale_order
        world.forwarder.on_move = self.no_class_on_a_dead_tunnel
        self._wait_for_an_edge()

    def _wait_for_an_edge(self) -> None:
        edge = min(edges(self.world), default=None)
        if edge is not None and edge < START + CALM_FROM:
            self.world.timeline.at(edge + SOON, self._passed_an_edge)

    def _passed_an_edge(self) -> None:
        self.rules_begin_and_end_in_time()
        self._wait_for_an_edge()

    def _watch(self, controller: Controller) -> None:
        controller.on_decision = self._decided
        for speaker in controller.speakers.values():
            speaker.on_command = self._said

    def _said(self, tunnel: TunnelId, command: Command) -> None:
        self._said_at[id(command)] = (self.world.timeline.now, command)  # which keeps it, and so its id, its own
        self.nothing_said_into_a_dead_tunnel(tunnel, command)

    def _decided(self, controller: Controller, decision: BranchDecision) -> None:
        self.nothing_announced_into_a_dead_tunnel(controller, decision)
        self.boost_given_back_only_when_safe(controller, decision)
        self.never_isolated(controller, decision)
        for speaker in controller.speakers.values():
            outstanding = speaker.ledger.outstanding
            if outstanding > URGENT_WINDOW:
                raise ViolationError("bounded", f"{outstanding} commands wait for an answer")

    # a. a branch with a live tunnel is never without a path for longer than was promised

    def paths(self) -> None:
        """Something changed: directions that are broken are looked at again when their promise ends."""
        for direction, prefix in self._broken():
            self._look_again(direction, prefix)

    def _broken(self) -> Iterator[tuple[str, Prefix]]:
        world = self.world
        yield from self._ties()
        if not any(line.live for line in world.lines.lines.values()):
            return
        if all(line.live for line in world.lines.lines.values()):
            return
        for prefix in world.heard:
            for sources in self._sources(prefix):
                tunnel = world.kernel.tunnel_of(str(prefix), sources)
                if tunnel is not None and not world.lines[TunnelId.parse(tunnel)].to_branch:
                    yield " from ".join(("hub to branch", *sources)), prefix
        for prefix in world.announced():
            if not all(world.lines[tunnel].to_hub for tunnel in world.branch.uses(prefix)):
                yield "branch to hub", prefix

    def _sources(self, prefix: Prefix) -> list[tuple[str, ...]]:
        apart = [source for source in named(self.world) if source.version == prefix.version]
        return [(), *(sources_holding(source, self.world) for source in apart)]

    def _ties(self) -> Iterator[tuple[str, Prefix]]:
        world = self.world
        for prefix in world.announced():
            if len(world.branch.best(prefix)) > 1:
                self._tied.setdefault(prefix, world.timeline.now)
                yield "tie", prefix
            else:
                self._tied.pop(prefix, None)

    def _look_again(self, direction: str, prefix: Prefix) -> None:
        by = self._promise(direction, prefix)
        if by == promises.NO_PROMISE:
            return
        if by < self.world.timeline.now:
            if direction == "tie":
                self.no_lasting_tie(prefix)
            self.never_without_a_path(direction, prefix)
        elif (direction, prefix) not in self._checks:
            self._checks.add((direction, prefix))

            def look() -> None:
                self._checks.discard((direction, prefix))
                if (direction, prefix) in set(self._broken()):
                    self._look_again(direction, prefix)

            self.world.timeline.at(by + 1e-6, look)

    def _promise(self, direction: str, prefix: Prefix) -> float:
        if direction.startswith("hub to branch"):
            return promises.hub_to_branch(self.world, prefix, tuple(direction.split(" from ")[1:]))
        if direction == "tie":
            return promises.untied(self.world, prefix, self._tied[prefix])
        return promises.branch_to_hub(self.world, prefix)

    def never_without_a_path(self, direction: str, prefix: Prefix) -> None:
        """It is broken although it had to work by now."""
        world = self.world
        late = world.timeline.now - self._promise(direction, prefix)
        holds = {t.name: {str(p): m for p, m in held.items()} for t, held in world.branch.holds.items()}
        raise ViolationError(
            f"never without a path {direction}",
            f"{prefix}: overdue by {late:.3f} s; live {[t.name for t in world.lines.live()]}, the kernel "
            f"uses {world.kernel.nexthops}, the branch holds {holds}",
        )

    # c. no stale order undoes a failover

    def no_stale_order(self, order: Order, before: ForwardingClass | None, after: ForwardingClass, ghost: int) -> None:
        """An order that moves a class was computed after all own moves of the forwarder."""
        moves = self.world.forwarder.own_moves.get(order.name, 0)
        moved = before is not None and before.active != after.active
        if moved and ghost < moves:
            raise ViolationError(
                "no stale order",
                f"{order.name} from {before and before.active} to {after.active} by an order that "
                f"knew of {ghost} of {moves} own moves",
            )

    def no_class_on_a_dead_tunnel(self) -> None:
        """While a tunnel of its order is known to live, no class is on one that is known to be dead."""
        forwarder = self.world.forwarder
        for each in forwarder.classes.values():
            if each.active is None or forwarder.state(each.active) != "down":
                continue
            live = [tunnel for tunnel in each.order if forwarder.state(tunnel) == "up"]
            if live:
                raise ViolationError("no stale order", f"{each.name} is on dead {each.active} while {live} live")

    # d. boosts are given back, and never to a tunnel that may be dead

    def boost_given_back_only_when_safe(self, controller: Controller, decision: BranchDecision) -> None:
        """A value rises only while another tunnel is live, up, its set sent, and better all the while."""
        for verdict in (decision.verdict, *decision.verdict.others):
            together = self._together(controller, decision, verdict)
            for tunnel, announcements in decision.announcements.items():
                said = [a.med for prefix, a in announcements.items() if together is None or prefix in together]
                if said:
                    self._given_back(controller, verdict, tunnel, said[0], together)

    @staticmethod
    def _together(controller: Controller, decision: BranchDecision, verdict: Verdict) -> frozenset[Prefix] | None:
        """The prefixes that this verdict is of; None: all."""
        if verdict.sources or not decision.verdict.others:
            return frozenset(verdict.sources) or None
        apart = {prefix for other in decision.verdict.others for prefix in other.sources}
        (branch,) = controller.intent.branches.values()
        return frozenset(announced_to(controller.intent.hub, branch)) - apart

    def _given_back(
        self,
        controller: Controller,
        verdict: Verdict,
        tunnel: TunnelId,
        said: int,
        together: frozenset[Prefix] | None,
    ) -> None:
        view, chosen, session = controller.view, verdict.chosen, controller.view.session_of(tunnel)
        sent = _sent(session, together)
        if not sent or session.state is not SessionState.UP or said <= max(sent) or chosen is None:
            return
        if tunnel == chosen:
            self._rises_itself(controller, tunnel, said, together)
            return
        # While the chosen one has no session another speaks for it, where two share a value.
        spoken = [chosen, *(t for t in verdict.told if t != tunnel)]
        if not any(_carries(view, t, said, together) for t in spoken):
            raise ViolationError("boost kept", f"{tunnel} rises from {max(sent)} to {said} in favour of {chosen}")

    def _rises_itself(
        self, controller: Controller, tunnel: TunnelId, med: int, together: frozenset[Prefix] | None
    ) -> None:
        """The chosen tunnel's own value may rise as long as no other, dead or alive, becomes better by it."""
        for other in controller.intent.tunnels():
            held = lowest_held(controller.view.session_of(other), together)
            if other != tunnel and held is not None and held <= med:
                raise ViolationError(
                    "boost kept", f"{tunnel} rises to {med} while the branch may hold {held} of {other}"
                )

    # f. nothing into a dead tunnel, no tie, the ledger bounded

    def nothing_announced_into_a_dead_tunnel(self, controller: Controller, decision: BranchDecision) -> None:
        """What is known to be dead is told nothing: TCP would deliver it after the heal."""
        for tunnel in decision.announcements:
            if controller.view.liveness_of(tunnel).state is LivenessState.DOWN:
                raise ViolationError("nothing into the dead", f"{tunnel} is dead and announced {decision.verdict.told}")

    def nothing_said_into_a_dead_tunnel(self, tunnel: TunnelId, command: Command) -> None:
        """The same of the ledger, but for what is withdrawn from tunnels that go."""
        controller = self.world.controller
        if controller is None or not isinstance(command, Announce):
            return
        if controller.view.liveness_of(tunnel).state is LivenessState.DOWN:
            raise ViolationError("nothing into the dead", f"{command} to {tunnel}, which is dead")

    def one_change_at_a_time(self, tunnel: TunnelId, prefix: Prefix, *commands: Command) -> None:
        """A prefix has one change on its way: ExaBGP's queue as it comes would send two in the wrong order.

        A command said to the session before, or by the controller before, may still be obeyed: the ledger counts with
        nothing from before it, and what ExaBGP sends of it is seen and made good.
        """
        controller = self.world.controller
        said_at = min(self._said_at[id(command)][0] for command in commands)
        if controller is None or said_at <= max(controller.session_heard_of.get(tunnel, 0.0), controller.started):
            return
        raise ViolationError(
            "one change at a time", f"{prefix} of {tunnel} was changed before its last change was sent"
        )

    def no_lasting_tie(self, prefix: Prefix) -> None:
        """The branch holds two equal best values for longer than it takes to see that both were sent."""
        holds = {t.name: held.get(prefix) for t, held in self.world.branch.holds.items()}
        raise ViolationError("no lasting tie", f"the branch holds {prefix} as {holds}")

    # h. rules count as long as their time says

    def rules_begin_and_end_in_time(self) -> None:
        """What is decided is decided by the rules that count now."""
        world, controller = self.world, self.world.controller
        fresh = controller is not None and controller.started < world.timeline.now - SOON
        if controller is None or not fresh or not goes_by_the_clock(world):
            return
        for decision in controller.decisions.values():
            by = {verdict.sources: verdict.rule for verdict in (decision.verdict, *decision.verdict.others)}
            for traffic in all_traffic(world):
                own = (traffic.source,) if traffic.source is not None else ()
                if by.get(own) != traffic.rule:
                    raise ViolationError("in time", f"{own} goes by {by.get(own)!r}, not by {traffic.rule!r}")

    # g. never isolated

    def never_isolated(self, controller: Controller, decision: BranchDecision) -> None:
        """The chosen tunnel is never one that is known to be dead while another is known to live."""
        for verdict in (decision.verdict, *decision.verdict.others):
            self._never_isolated(controller, verdict.chosen)

    def _never_isolated(self, controller: Controller, chosen: TunnelId | None) -> None:
        view = controller.view
        if not view.forwarder or chosen is None or view.liveness_of(chosen).state is not LivenessState.DOWN:
            return
        live = [t for t in controller.intent.tunnels() if view.liveness_of(t).state is LivenessState.UP]
        if live:
            raise ViolationError("never isolated", f"{chosen} is chosen, which is dead, while {live} live")


def _sent(session: SessionView, together: frozenset[Prefix] | None) -> list[int]:
    return [said.med for prefix, said in session.sent.items() if together is None or prefix in together]


def _carries(view: View, tunnel: TunnelId, value: int, together: frozenset[Prefix] | None) -> bool:
    """Whether a tunnel is live and was told, whole, what is better than this value."""
    session = view.session_of(tunnel)
    alive = view.forwarder and view.liveness_of(tunnel).state is LivenessState.UP
    told = session.state is SessionState.UP and session.complete
    return alive and told and (max(_sent(session, together), default=value) < value)
