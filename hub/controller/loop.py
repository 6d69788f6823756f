"""The controller's loop: the single owner of the view. Observe, decide, publish, record.

    forwarder ---events--->+                       +---orders-------> forwarder
    relay ------events---->| observe -> decide --->+---announcements-> relay (ExaBGP)
    time -----(wake_at)--->+        (policies)     +---report--------> control socket, log

Events are taken in batches: all that has arrived is observed, then the branches that it concerns are decided once, and
the urgent announcements are on their way before anything else is done.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.control.places import SYSTEM_STATE
from hub.controller.explanation import explanation
from hub.controller.fates import endpoints_in
from hub.controller.health import HealthWatch, what_is_heard
from hub.controller.news import changes_nothing, verdict_lines, word
from hub.controller.record import Record
from hub.controller.report import Surroundings, network_report
from hub.controller.signs import TunnelSigns
from hub.controller.stalls import TICK_SECONDS, Stalls
from hub.controller.troubles import Believed, Troubles
from hub.controller.wording import sentence, speaker_mend
from policies.blame import tunnel_blames
from policies.decide import NO_MOVES, BranchDecision, combine, decide_branch
from policies.faults import faults
from policies.model.clock import Instant, Now
from policies.model.events import (
    Adjusted,
    ChecksTaken,
    ClassChanged,
    ClassGone,
    Event,
    ForwarderConnected,
    ForwarderLost,
    InForceChanged,
    LivenessChanged,
    PathAnswered,
    RouteRefused,
    SamplesTaken,
    SpeakerConnected,
    SpeakerLost,
    SpeakerReady,
)
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import NO_OVERRIDES
from policies.model.verdicts import Verdict
from policies.model.view import View
from policies.observe import observe, without_strangers
from policies.overrides.schedule import drained_by
from policies.scripts.situation import situations_of

if TYPE_CHECKING:
    from hub.bgp.speakers import Speakers
    from hub.controller.forwarder import ForwarderLink
    from hub.observe.observer import Observer
    from hub.scripts.scripts import Scripts

SLICE_SECONDS = 0.005
"""How long judging may hold the loop."""
LOOK_AGAIN_SECONDS = 1.0
"""Everything is decided again this often, whatever happens: the state is what counts, not the event."""


class Loop:
    """A Loop owns the view and the decisions of one hub."""

    def __init__(self, intent: Intent, record: Record, config: str, state: str = str(SYSTEM_STATE)) -> None:
        self._intent = intent
        self._record = record
        self._config, self._state = config, state
        self._started = Instant(time.monotonic())
        self._zone = ZoneInfo(intent.timezone)
        self._stalls = Stalls(time.monotonic)
        self._view = View()
        self._decisions: dict[str, BranchDecision] = {}
        self._dirty: set[str] = set(intent.branches)
        self._untold: list[Event] = []
        self._pass: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed: dict[TunnelId, Instant] = {}
        self._unjudged: deque[Event] = deque()
        self._failed: dict[str, set[str]] = {}
        self.signs = TunnelSigns()
        self.health = HealthWatch(intent, self.take, self._burst, self.signs.failing, self.signs.hints)
        self.problems: dict[str, tuple[str, str]] = {}
        self.made: Mapping[str, Mapping[str, Any]] = {}
        """What the provisioner knows of each tunnel and uplink, by its name."""
        self.overrides = NO_OVERRIDES
        self._speaker: Speakers | None = None
        self._forwarder: ForwarderLink | None = None
        self._observer: Observer | None = None
        self._scripts: Scripts | None = None
        self.troubles = Troubles(self._believed, record.say)

    def attach(
        self,
        speaker: Speakers,
        forwarder: ForwarderLink,
        observer: Observer | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        """The two adapters that the decisions go to, the one that asks targets, and the policy scripts."""
        self._speaker, self._forwarder, self._observer, self._scripts = speaker, forwarder, observer, scripts

    def take(self, event: Event) -> None:
        """An event of an adapter. Decided at the end of the batch that it came in."""
        before = self._view
        self._view = observe(before, event)
        if isinstance(event, ChecksTaken):
            return  # a matter of many seconds: everything is looked at again once a second
        if isinstance(event, SamplesTaken | LivenessChanged | ForwarderConnected):
            self._judge_soon(event)
        if not changes_nothing(before, event):
            self._untold.append(event)
        self._dirty |= self._concerned(event)
        if self._dirty and self._pass is None:
            self._pass = asyncio.get_running_loop().call_soon(self._decide)

    def _judge_soon(self, event: Event) -> None:
        """After the pass of decisions that this event may be waited for in: what it says of health has time."""
        if not self._unjudged:
            asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(self._judge))
        if isinstance(event, SamplesTaken):
            self._unjudged.extend(SamplesTaken({tunnel: taken}) for tunnel, taken in event.samples.items())
        else:
            self._unjudged.append(event)

    def _judge(self) -> None:
        """A slice at a time: with thousands of tunnels it takes long, and no failover may wait for it."""
        now, ends = self._stalls.now(), time.monotonic() + SLICE_SECONDS
        while self._unjudged:
            event = self._unjudged.popleft()
            self._contained("health", lambda event=event: self.health.heard(event, now), what_is_heard(event))  # type: ignore[misc]
            if time.monotonic() > ends and self._unjudged:
                asyncio.get_running_loop().call_soon(self._judge)
                return

    def _contained(self, what: str, work: Callable[[], None], step: str) -> None:
        """Do what no failover depends on. Should it fail, that is said until all steps go well; all else goes on."""
        failed = self._failed.setdefault(what, set())
        try:
            work()
            failed.discard(step)
            if not failed:
                self.problems.pop(what, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the loop
            text = f"{what}: {type(error).__name__}: {error}; what was judged before stands"
            if not failed:
                self._record.say(text)
            failed.add(step)
            self.problems[what] = (text, "a fault of Pointsman: please report it")
            self._record.counters[f"{what} failed"] += 1

    def _burst(self, tunnel: TunnelId, probes: int) -> None:
        if self._forwarder is not None:
            self._forwarder.burst(tunnel, probes)

    def _look_at_health(self) -> None:
        """What time alone, targets, checks and the forwarder's slow looks say of the tunnels."""
        now = Now(self._stalls.now(), datetime.now(self._zone))
        measured = self._forwarder.measured if self._forwarder is not None else {}
        self.signs.look(self._intent, self._view, measured, now, self.made)
        self.health.look(now.monotonic)

    def adjust(self) -> None:
        """Take what the policy scripts say now."""
        if self._scripts is not None and self._scripts.changes != self._view.adjustments:
            self.take(Adjusted(dict(self._scripts.changes)))

    def _ask_scripts(self) -> None:
        """What is so now, for the scripts; what they say of it comes back by `adjust`."""
        if self._scripts is not None:
            self._scripts.want(situations_of(self._intent, self._view, self.verdicts, self.now()))
            self.adjust()

    async def run(self) -> None:
        """Look at everything again from time to time; events are decided as they come."""
        look_again = 0.0
        while True:
            slept = self._stalls.count
            self._stalls.look()
            if self._stalls.count > slept:
                self._record.counters["stalls of the controller"] += 1
            if time.monotonic() >= look_again:
                look_again = time.monotonic() + LOOK_AGAIN_SECONDS
                self._contained("health", self._look_at_health, "look")
                self._dirty |= set(self._intent.branches)
                self._decide()
                self._contained("scripts", self._ask_scripts, "ask")
                if self._forwarder is not None:
                    self._forwarder.refresh()
            await asyncio.sleep(TICK_SECONDS)

    def reconfigure(self, intent: Intent) -> None:
        """Decide by this configuration from now on."""
        self._intent, self._zone = intent, ZoneInfo(intent.timezone)
        tunnels = frozenset(intent.tunnels())
        self._view = without_strangers(self._view, tunnels, frozenset(intent.branches))
        self._decisions = {n: d for n, d in self._decisions.items() if n in intent.branches}
        self._closed = {tunnel: since for tunnel, since in self._closed.items() if tunnel in tunnels}
        self._failed.pop("health", None)  # it may be of a tunnel that is gone; what goes on is said again
        self.problems.pop("health", None)
        if self._forwarder is not None:
            self._forwarder.reconfigure(intent)
        if self._observer is not None:
            self._observer.reconfigure(intent)
        if self._scripts is not None:
            self._scripts.reconfigured()
        self.health.reconfigure(intent)
        self._dirty = set(intent.branches)
        self._decide()

    @property
    def intent(self) -> Intent:
        """The configuration that is decided by."""
        return self._intent

    @property
    def view(self) -> View:
        """What is believed now."""
        return self._view

    def now(self) -> Now:
        """This moment, on both clocks."""
        return Now(Instant(time.monotonic()), datetime.now(self._zone))

    def status(self) -> dict[str, object]:
        """The report on everything."""
        return network_report(self._intent, self._view, self.verdicts, self._around(), self.now())

    def why(self, branch: str, prefix: str | None = None) -> dict[str, object] | None:
        """The explanation of one branch, None if there is none of that name; of one prefix, if that is asked.

        Raises:
            UnknownPrefixError: that prefix is not steered there.
        """
        known = self._intent.branches.get(branch)
        if known is None:
            return None
        verdict, now = self.verdicts.get(branch), self.now()
        return explanation(self._intent, known, self._view, verdict, self._around(), self.overrides, now, prefix)

    @property
    def branches(self) -> tuple[str, ...]:
        """The names of all branches."""
        return tuple(self._intent.branches)

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """What was decided last, by branch."""
        return {name: decision.verdict for name, decision in self._decisions.items()}

    def _decide(self) -> None:
        self._pass = None
        now = Now(self._stalls.now(), datetime.now(self._zone))
        dirty, self._dirty = self._dirty & self._intent.branches.keys(), set()
        before = {name: self._decisions.get(name) for name in sorted(dirty)}
        for name, was in before.items():
            self._decide_branch(name, was, now)
        self._publish(now.monotonic)
        self._tell_all(before)

    def _decide_branch(self, name: str, was: BranchDecision | None, now: Now) -> None:
        """One branch. Should its decision fail, its last one stands, and no other branch waits for it."""
        moves = was.moves if was is not None else NO_MOVES
        try:
            decision = decide_branch(self._intent.hub, self._intent.branches[name], self._view, moves, now)
        except Exception as error:  # noqa: BLE001 - a fault in one branch's decision must not isolate the others
            text = f"{name}: deciding failed: {type(error).__name__}: {error}; the last decision stands"
            self.problems[f"decide:{name}"] = (text, "a fault of Pointsman: please report it")
            self._record.counters["decisions failed"] += 1
            return
        self.problems.pop(f"decide:{name}", None)
        self._decisions[name] = decision

    def _tell_all(self, before: Mapping[str, BranchDecision | None]) -> None:
        """Say what happened and what was decided, now that it is under way."""
        untold, self._untold = self._untold, []
        for event in untold:
            self._tell(event)
        for name, was in before.items():
            decision = self._decisions.get(name)
            if decision is None:
                continue
            if was is None or word(was.verdict) != word(decision.verdict):
                for line in verdict_lines(decision.verdict):
                    self._record.say(line)

    def _publish(self, now: Instant) -> None:
        decision = combine(self._intent, self._decisions)
        if self._speaker is not None:
            self._speaker.want(decision.desired.announcements, decision.desired.urgent)
        if self._forwarder is not None:
            self._forwarder.want(decision.desired, self._view)
        self._close(decision.desired.close)
        self._wake(decision.wake_at, now)

    def _close(self, wanted: frozenset[TunnelId]) -> None:
        for tunnel in wanted:
            session = self._view.session_of(tunnel)
            if self._speaker is None or self._closed.get(tunnel) == session.since:
                continue
            if self._speaker.close(tunnel):
                self._closed[tunnel] = session.since
                self._record.say(f"{tunnel}: the tunnel is dead: closing its BGP session")

    def _wake(self, wake_at: Instant | None, now: Instant) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_at is not None:
            delay = max(0.001, wake_at - now)
            self._timer = asyncio.get_running_loop().call_later(delay, self._woken)

    def _woken(self) -> None:
        self._dirty |= set(self._intent.branches)
        self._decide()

    def _concerned(self, event: Event) -> set[str]:
        match event:
            case ForwarderConnected() | ForwarderLost() | SpeakerConnected() | SpeakerReady() | SpeakerLost():
                return set(self._intent.branches)
            case InForceChanged() | Adjusted():
                return set(self._intent.branches)
            case ClassChanged():
                return {event.state.branch}
            case ClassGone():
                return {event.name.partition(":")[0]}
            case SamplesTaken():
                return set()
            case PathAnswered():
                return {event.branch} if self._is_watched(event.branch) else set()
            case ChecksTaken():
                return set()
            case _:
                return {event.tunnel.branch}

    def _is_watched(self, branch: str) -> bool:
        decision = self._decisions.get(branch)
        return decision is not None and decision.look

    def _believed(self) -> Believed:
        now = self.now()
        endpoints = endpoints_in(self._forwarder.measured, self.made) if self._forwarder is not None else {}
        return Believed(self._intent, self._view, self.overrides.at(now.wall), now, endpoints, self.health.never_up)

    def _around(self) -> Surroundings:
        link, speaker = self._forwarder, self._speaker
        counters, problems = dict(self._record.counters), self.problems | self.troubles.problems
        if link is not None:
            counters |= link.counters | {f"forwarder: {k}": v for k, v in link.forwarder_counters.items()}
            problems |= link.problems
            if not self._view.forwarder:
                problems.setdefault("forwarder", (link.error, "start it; the kernel goes on forwarding meanwhile"))
        if speaker is not None:
            counters |= {f"bgp: {k}": v for k, v in speaker.counters.items()}
            problems |= {key: (text, speaker_mend(key, text)) for key, text in speaker.problems.items()}
        if self._scripts is not None:
            problems |= self._scripts.problems
            counters |= {f"scripts: {k}": v for k, v in self._scripts.counters.items()}
        now, wall = Instant(time.monotonic()), self.now().wall
        for branch in self._intent.branches.values():
            problems |= {f"session:{each.tunnel}": (each.text, each.mend) for each in faults(branch, self._view, now)}
        return Surroundings(
            config=self._config,
            state=self._state,
            started=self._started,
            problems=problems,
            counters=counters,
            refused=tuple(self._record.refusals),
            measured=link.measured if link is not None else {},
            refusals=speaker.refusals if speaker is not None else {},
            overrides=self.overrides.at(wall),
            drained=drained_by(self.overrides, self._intent, wall),
            carried=self.troubles.carried,
            blamed=tunnel_blames(self._intent, self._view, now, self.health.never_up),
            gaps=self.signs.gaps,
            made=self.made,
            paths=self.troubles.paths(),
            connected=self.health.connected,
        )

    def _tell(self, event: Event) -> None:
        match event:
            case RouteRefused():
                self._record.refuse(str(event.tunnel), event.prefix, event.reason)
            case _ if (text := sentence(event)) is not None:
                self._record.say(text)
            case _:
                pass
