"""The world: the parts put together, and what can be done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network

from histories.branch import Branch
from histories.controller import Controller
from histories.exabgp import Exabgp
from histories.forwarder import Forwarder, Obey
from histories.judged import JUDGED_AGAIN, Judged
from histories.kernel import Kernel
from histories.lines import Line, Lines
from histories.relay import Relay
from histories.session import Sessions
from histories.situation import LANS, NAMES, Situation, intent_with
from histories.timeline import Timeline
from histories.traffic import named
from hub.forwarder.classes import obey
from policies.announced import announced_to
from policies.model.ids import Prefix, TunnelId, lies_within
from policies.model.intent import Intent
from speaker.bgp.ledger import Ledger

RELOADING = 0.3
"""Seconds that ExaBGP takes to read its neighbors anew."""
RETIRED_WITHIN = 2.0
"""Seconds that a tunnel that goes has for its withdrawal (hub.bgp.speaker)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The Parts are what a test may replace, to see that the histories notice."""

    obey: Obey = obey
    ledger: Callable[[], Ledger] = Ledger
    mended: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """A Configuration is what the operator wrote: tunnels, preference, prefixes of the hub and the branch."""

    names: tuple[str, ...]
    prefer: tuple[str, ...]
    hub_prefixes: tuple[int, ...]
    lans: tuple[int, ...]
    leaving: frozenset[str] = frozenset()
    rules: tuple[int, ...] = ()


class World:
    """A World is one hub and one branch, from the power switch on."""

    def __init__(self, situation: Situation, parts: Parts | None = None) -> None:
        self.parts = parts or Parts()
        self.situation = situation
        self.timeline = timeline = Timeline()
        self.configuration = Configuration(
            NAMES[: situation.tunnels],
            NAMES,
            situation.hub_prefixes,
            situation.lans,
            rules=tuple(range(len(situation.rules))),
        )
        self.configured_since = timeline.now
        self.intent = situation.intent()
        tunnels = {t.id: t for t in self.intent.tunnels().values()}
        self.every = tuple(tunnels)
        self._links = {tunnel.id: tunnel.link.branch for tunnel in tunnels.values()}
        self._process = {tunnel.id: tunnel.process for tunnel in tunnels.values()}
        self.exabgp_intent = self.intent
        self.on_change: Callable[[], None] = lambda: None
        self.lines = Lines(timeline, {tunnel: Line() for tunnel in tunnels})
        self.branch = Branch(timeline, situation, self.lines)
        self.kernel = Kernel(self._changed)
        self.forwarder = Forwarder(timeline, situation, self.lines, self.kernel, self._answers_over)
        self.forwarder.obey = self.parts.obey
        self.sessions = Sessions(timeline, situation, self.lines)
        self.heard = {LANS[i]: set(situation.heard[i]) for i in situation.lans}
        self._router_lans = frozenset(situation.lans)
        self.exabgps = {
            number: Exabgp(
                timeline, situation, self.sessions, self.branch, self._links.__getitem__, mended=self.parts.mended
            )
            for number in sorted(set(self._process.values()))
        }
        self.relays = {n: Relay(timeline, situation, exabgp, self.sessions) for n, exabgp in self.exabgps.items()}
        self.judged = Judged()
        self.controller: Controller | None = None
        self._applying: Controller | None = None
        self.on_controller: Callable[[Controller], None] = lambda _: None
        self._wire_up()

    def _changed(self) -> None:
        self.on_change()

    def _wire_up(self) -> None:
        self.branch.changed = self._changed
        self.branch.down = self.sessions.end_branch
        self.lines.watchers.append(lambda _: self._changed())
        sessions = self.sessions
        sessions.accepts = lambda tunnel: self._exabgp_of(tunnel).accepts(tunnel)
        sessions.hub_up = lambda tunnel: self._exabgp_of(tunnel).session_up(tunnel)
        sessions.hub_down = lambda tunnel, why: self._exabgp_of(tunnel).session_down(tunnel, why)
        sessions.branch_up = self._branch_announces
        sessions.branch_down = self.branch.session_ended

    def _exabgp_of(self, tunnel: TunnelId) -> Exabgp:
        return self.exabgps[self._process[tunnel]]

    def process_of(self, tunnel: TunnelId) -> int:
        """The number of the ExaBGP process that holds its session."""
        return self._process[tunnel]

    def announced(self) -> tuple[Prefix, ...]:
        """What the branch is told of."""
        (branch,) = self.intent.branches.values()
        return tuple(dict.fromkeys((*announced_to(self.intent.hub, branch), *named(self))))

    # the branch

    def lans_over(self, tunnel: TunnelId) -> tuple[Prefix, ...]:
        """What the branch announces over this tunnel."""
        number = self.every.index(tunnel)
        own = {LANS[lan] for lan in self._router_lans}
        return tuple(prefix for prefix, over in self.heard.items() if number in over and prefix in own)

    def _branch_announces(self, tunnel: TunnelId) -> None:
        announced = self.lans_over(tunnel)
        if announced:
            self.sessions.say_to_hub(tunnel, lambda: self._exabgp_of(tunnel).heard(tunnel, announced, ()))
        if self.situation.end_of_rib:
            self.sessions.say_to_hub(tunnel, lambda: self._exabgp_of(tunnel).heard_end_of_rib(tunnel))

    def branch_changes(self, tunnel: TunnelId, lan: Prefix) -> None:
        """The branch begins to announce a prefix over a tunnel, or ends it; the last tunnel keeps it."""
        number, over = self.every.index(tunnel), self.heard.setdefault(lan, set())
        if over == {number}:
            return
        if number in over:
            over.discard(number)
            said = partial(self._exabgp_of(tunnel).heard, tunnel, (), (lan,))
        else:
            over.add(number)
            said = partial(self._exabgp_of(tunnel).heard, tunnel, (lan,), ())
        if self.sessions.ends[tunnel].branch is not None and LANS.index(lan) in self._router_lans:
            self.sessions.say_to_hub(tunnel, said)

    def _configure_router(self, lans: tuple[int, ...]) -> None:
        """The branch's router gets the prefixes that the hub has taken: it announces the new ones, ends the others."""
        before, self._router_lans = self._router_lans, frozenset(lans)
        come = {LANS[lan] for lan in self._router_lans - before}
        gone = {LANS[lan] for lan in before - self._router_lans}
        for lan in come:
            self.heard.setdefault(lan, set(range(self.situation.tunnels)))
        for number, tunnel in enumerate(self.every):
            announced = tuple(lan for lan in come if number in self.heard[lan])
            withdrawn = tuple(lan for lan in gone if number in self.heard[lan])
            if self.sessions.ends[tunnel].branch is not None and (announced or withdrawn):
                said = partial(self._exabgp_of(tunnel).heard, tunnel, announced, withdrawn)
                self.sessions.say_to_hub(tunnel, said)

    def _answers_over(self, version: int) -> list[str]:
        announced = [p for p in self.intent.hub.prefixes if p.version == version]
        if not announced:
            return []
        own: Prefix = ip_network(self.intent.hub.router_id)
        asked = own if lies_within(own, announced) else ip_network(announced[0].network_address + 1)
        return [str(tunnel) for tunnel in self.branch.uses(asked)]

    # processes

    def start_all(self) -> None:
        """Everything that does not run starts."""
        self.start_forwarder()
        for number in self.exabgps:
            self.start_exabgp(number)
        self.start_controller()

    def start_forwarder(self) -> None:
        """The forwarder is started by the supervisor; the controller, if there is one, finds it."""
        if self.forwarder.running:
            return
        self.forwarder.start()
        if self.controller is not None:
            self.timeline.after(self.situation.reconnecting, self.controller.connect_forwarder)

    def kill_forwarder(self, *, with_file: bool = False) -> None:
        """SIGKILL; its state file may go too."""
        if self.forwarder.running:
            self.forwarder.die()
            if self.controller is not None:
                self.controller.forwarder_died()
        if with_file:
            self.forwarder.lose_file()

    def start_controller(self) -> None:
        """The controller starts, knowing its configuration and nothing else."""
        if self.controller is not None:
            return
        self._applying = None
        self.configured_since = self.timeline.now
        self._apply()
        self.controller = Controller(
            self.timeline, self.situation, self.intent, self.forwarder, self.relays, self.parts.ledger
        )
        self.on_controller(self.controller)
        if self.judged.ever:
            self.tell_judged()
        self._configure_router(self.configuration.lans)
        self.controller.connect_forwarder()
        for speaker in self.controller.speakers.values():
            speaker.connect()
        if self.exabgp_intent is not self.intent:
            self._reload_exabgp(self.intent)

    def kill_controller(self) -> None:
        """SIGKILL."""
        if self.controller is not None:
            self.controller.die()
            self.controller = self._applying = None

    def start_exabgp(self, number: int) -> None:
        """ExaBGP starts with the neighbors of the configuration last written, and starts its relay."""
        exabgp = self.exabgps[number]
        if exabgp.running:
            self.start_relay(number)
            return
        exabgp.start(t for t in self.exabgp_intent.tunnels() if self._process[t] == number)
        self.start_relay(number)

    def kill_exabgp(self, number: int) -> None:
        """SIGKILL; its relay ends by itself."""
        exabgp = self.exabgps[number]
        if exabgp.running:
            exabgp.die()
            self.relays[number].exabgp_died()

    def start_relay(self, number: int) -> None:
        """ExaBGP starts its child again."""
        relay = self.relays[number]
        if relay.running or not self.exabgps[number].running:
            return
        relay.start()
        if self.controller is not None:
            speaker = self.controller.speakers[number]
            self.timeline.after(self.situation.reconnecting, speaker.connect)

    def kill_relay(self, number: int) -> None:
        """SIGKILL."""
        self.relays[number].die()

    def stall(self, what: str, seconds: float) -> None:
        """One connection is late, or the forwarder gets no time."""
        if what == "forwarder":
            self.forwarder.stall(seconds)
        if what in {"from exabgp", "to exabgp"}:
            for relay in self.relays.values():
                (relay.from_exabgp if what == "from exabgp" else relay.to_exabgp).stall(seconds)
        elif self.controller is not None:
            controller = self.controller
            pipes = {
                "forwarder": [controller.from_forwarder],
                "to forwarder": [controller.to_forwarder],
                "from forwarder": [controller.from_forwarder],
                "to relay": [s.to_relay for s in controller.speakers.values()],
                "from relay": [s.from_relay for s in controller.speakers.values()],
            }
            for pipe in pipes[what]:
                pipe.stall(seconds)

    # health, and what operators say

    def judge(self, what: str, tunnel: TunnelId) -> None:
        """A tunnel becomes bad or good, or an operator says something; told to the controller if there is one."""
        self.judged.act(what, tunnel)
        if self.controller is None:
            return
        if what in {"degrade", "recover"}:
            self.judged.tell_health(tunnel, self.controller.take, self.timeline.now)
        else:
            self._tell_overrides(self.controller)

    def tell_judged(self) -> None:
        """A controller that has just started, or changed its tunnels: overrides at once, health once there is some."""
        controller = self.controller
        if controller is None:
            return
        self._tell_overrides(controller)

        def tell() -> None:
            if controller.alive:
                for tunnel in controller.intent.tunnels():
                    self.judged.tell_health(tunnel, controller.take, self.timeline.now)

        self.timeline.after(JUDGED_AGAIN, tell)

    def _tell_overrides(self, controller: Controller) -> None:
        (branch,) = controller.intent.branches
        self.judged.tell_overrides(branch, controller.take, self.timeline.now)

    # configuration

    def configure(self, configuration: Configuration) -> None:
        """The operator applies another configuration; one that is under way is finished first."""
        if configuration == self.configuration:
            return
        self.configuration = configuration
        if not self._applying:
            self._apply()

    def _apply(self) -> None:
        """The core takes it, ExaBGP's neighbors follow (hub.controller.neighbors)."""
        now = self.configuration
        self.configured_since = self.timeline.now
        self.intent = intent_with(
            self.situation, now.names, now.prefer, now.hub_prefixes, now.lans, now.leaving, now.rules
        )
        if self.controller is None:
            return
        before = frozenset(self.controller.intent.tunnels())
        self.controller.reconfigure(self.intent)
        if self.judged.ever:
            self.tell_judged()
        self._applying = self.controller
        self._retire(before - frozenset(self.intent.tunnels()), self.intent, now, self.controller)

    def _retire(
        self, tunnels: frozenset[TunnelId], intent: Intent, applied: Configuration, controller: Controller
    ) -> None:
        """Withdraw, see it, and only then let ExaBGP have other neighbors (hub.bgp.reload)."""
        deadline = self.timeline.now + RETIRED_WITHIN
        for speaker in controller.speakers.values():
            speaker.retire(tunnels)

        def look() -> None:
            if not controller.alive:
                return
            if self.timeline.now < deadline and not all(s.silent(tunnels) for s in controller.speakers.values()):
                self.timeline.after(0.05, look)
                return
            for speaker in controller.speakers.values():
                speaker.reconfigure(intent)
            self._reload_exabgp(intent)
            self.timeline.after(RELOADING + 0.01, taken)

        def taken() -> None:
            if not controller.alive:
                return
            self._applying = None
            self._configure_router(applied.lans)
            if self.configuration != applied:
                self._apply()

        look()

    def _reload_exabgp(self, intent: Intent) -> None:
        self.exabgp_intent = intent

        def reload() -> None:
            for number, exabgp in self.exabgps.items():
                exabgp.reload(frozenset(t for t in self.exabgp_intent.tunnels() if self._process[t] == number))

        self.timeline.after(RELOADING, reload)

    def remove(self, name: str) -> None:
        """A tunnel goes; the last one stays."""
        names = tuple(n for n in self.configuration.names if n != name)
        if names:
            leaving = self.configuration.leaving - {name}
            self.configure(replace(self.configuration, names=names, leaving=leaving))

    def add(self, name: str) -> None:
        """A tunnel comes, or does not leave after all."""
        present = {*self.configuration.names, name}
        names = tuple(n for n in NAMES[: self.situation.tunnels] if n in present)
        self.configure(replace(self.configuration, names=names, leaving=self.configuration.leaving - {name}))

    def leave(self, name: str) -> None:
        """A tunnel is about to go."""
        if name in self.configuration.names and len(self.configuration.names) > 1:
            self.configure(replace(self.configuration, leaving=self.configuration.leaving | {name}))
