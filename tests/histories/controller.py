"""The controller: the real core and the real link to the forwarder, round the loop of hub.controller.loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from histories.forwarder import Forwarder
from histories.pipe import Pipe
from histories.relay import Relay
from histories.situation import Situation
from histories.speaker import Speaker
from histories.timeline import START, Timeline
from hub.controller.forwarder import ForwarderLink
from hub.controller.forwarder_lines import tunnels_line
from policies.decide import NO_MOVES, BranchDecision, combine, decide_branch
from policies.model.clock import NEVER, Instant, Now
from policies.model.events import Event, ForwarderLost, PathAnswered, SessionChanged
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.view import View
from policies.observe import observe, without_strangers
from speaker.bgp.ledger import Ledger

EPOCH = datetime(2026, 11, 21, 16, 58, tzinfo=UTC)
"""The wall clock when a history begins: at the branch it is two minutes to midnight."""
LOOK_AGAIN = 10.0
"""Seconds between looks at everything; the real ones are shorter. What counts may not wait for one."""


def wall(now: float) -> datetime:
    """The wall clock then."""
    return EPOCH + timedelta(seconds=now - START)


class Link(ForwarderLink):
    """The real link, which writes into a pipe; with each order it says which own moves of the class it knew of."""

    def __init__(
        self, intent: Intent, on_event: Callable[[Event], None], clock: Callable[[], float], pipe: Pipe
    ) -> None:
        super().__init__(Path("none"), intent, on_event, clock)
        self._pipe = pipe
        self._ghosts: dict[str, int] = {}

    def connect(self) -> None:
        """Say which tunnels to watch, as the first line."""
        self._pipe.send(tunnels_line(self._intent))
        self._told_of = self._intent

    def take(self, message: dict[str, Any]) -> None:
        """A line of the forwarder."""
        match message:
            case {"snapshot": {"classes": classes}}:
                self._ghosts = {one["name"]: one["ghost"] for one in classes}
            case {"class": {"name": name, "ghost": ghost}}:
                self._ghosts[name] = ghost
            case {"gone": name}:
                self._ghosts.pop(name, None)
        if "error" not in message:
            self._receive(message, self._pipe)  # type: ignore[arg-type]

    def lost(self) -> bool:
        """The forwarder is gone; whether it had said what it knew."""
        had_snapshot, self._writer = self._writer is not None, None
        return had_snapshot

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None and "get" not in message:
            self._pipe.send({**message, "ghosts": dict(self._ghosts)})


class Controller:
    """A Controller is one life of the process. `on_decision` sees each decision with the view that it came from."""

    def __init__(
        self,
        timeline: Timeline,
        situation: Situation,
        intent: Intent,
        forwarder: Forwarder,
        relays: Mapping[int, Relay],
        ledger: Callable[[], Ledger],
    ) -> None:
        self._timeline, self._situation, self._forwarder = timeline, situation, forwarder
        self.intent = intent
        self.alive = True
        self.started = timeline.now
        self.view = View()
        self.view_forwarder_since = 0.0
        self.decisions: dict[str, BranchDecision] = {}
        self.on_decision: Callable[[Controller, BranchDecision], None] = lambda *_: None
        self._dirty: set[str] = set(intent.branches)
        self._closed: dict[TunnelId, Instant] = {}
        self._scheduled = False
        self._wakes = 0
        self.session_heard_of: dict[TunnelId, float] = {}
        """When it learnt of the last change of a session: with late messages, long after it happened."""
        self._connected = False
        self.to_forwarder = Pipe(timeline, situation.to_forwarder, forwarder.hear)
        self.from_forwarder = Pipe(timeline, situation.to_forwarder, self._hear_forwarder)
        self.link = Link(intent, self.take, lambda: timeline.now, self.to_forwarder)
        self.speakers = {
            process: Speaker(timeline, situation, intent, process, relay, self.take, ledger)
            for process, relay in relays.items()
        }
        self._look_again()

    def die(self) -> None:
        """SIGKILL."""
        self.alive = False
        self.from_forwarder.close()
        if self._forwarder.controller is self.from_forwarder:
            self._forwarder.controller = None
        for speaker in self.speakers.values():
            speaker.die()

    # the forwarder

    def connect_forwarder(self) -> None:
        """The forwarder listens."""
        if not (self.alive and self._forwarder.running) or self._connected:
            return
        self._connected = True
        self.to_forwarder.open()
        self.from_forwarder.open()
        self.to_forwarder.then(self._greet)
        self.link.connect()

    def _greet(self) -> None:
        if self.alive and self._forwarder.running:
            self._forwarder.greet(self.from_forwarder)

    def forwarder_died(self) -> None:
        """It is gone, which is read after all that it said."""
        self.to_forwarder.close()
        self.from_forwarder.then(self._lost_forwarder)

    def _lost_forwarder(self) -> None:
        if not self.alive:
            return
        self._connected = False
        if self.link.lost():
            self.take(ForwarderLost())
        self._timeline.after(self._situation.reconnecting, self.connect_forwarder)

    def _hear_forwarder(self, message: dict[str, Any]) -> None:
        if self.alive:
            self.link.take(message)

    # the loop

    def take(self, event: Event) -> None:
        """An event of an adapter; decided at the end of the batch that it came in."""
        was = self.view
        self.view = observe(was, event)
        if self.view.forwarder and not was.forwarder:
            self.view_forwarder_since = self._timeline.now
        if isinstance(event, SessionChanged):
            self.session_heard_of[event.tunnel] = self._timeline.now
        if isinstance(event, PathAnswered):
            decision = self.decisions.get(event.branch)
            if decision is None or not decision.look:
                return
        self._dirty |= set(self.intent.branches)
        if not self._scheduled:
            self._scheduled = True
            self._timeline.after(0.0, self._decide)

    def reconfigure(self, intent: Intent) -> None:
        """Decide by this configuration from now on."""
        self.intent = intent
        self.view = without_strangers(self.view, frozenset(intent.tunnels()), frozenset(intent.branches))
        self.link.reconfigure(intent)
        self._dirty = set(intent.branches)
        self._decide()

    def _decide(self) -> None:
        self._scheduled = False
        if not self.alive:
            return
        now = self._timeline.now
        dirty, self._dirty = self._dirty & self.intent.branches.keys(), set()
        for name in dirty:
            was = self.decisions.get(name)
            moves = was.moves if was is not None else NO_MOVES
            branch = self.intent.branches[name]
            self.decisions[name] = decide_branch(self.intent.hub, branch, self.view, moves, Now(now, wall(now)))
            self.on_decision(self, self.decisions[name])
        decision = combine(self.intent, self.decisions)
        for speaker in self.speakers.values():
            speaker.want(decision.desired.announcements, decision.desired.urgent)
        self.link.want(decision.desired, self.view)
        for tunnel in decision.desired.close:
            self._close(tunnel)
        self._wake(decision.wake_at)

    def _close(self, tunnel: TunnelId) -> None:
        session = self.view.session_of(tunnel)
        if self._closed.get(tunnel, NEVER) == session.since:
            return
        if any(speaker.close(tunnel) for speaker in self.speakers.values()):
            self._closed[tunnel] = session.since

    def _wake(self, wake_at: Instant | None) -> None:
        self._wakes += 1
        number = self._wakes
        if wake_at is None:
            return

        def wake() -> None:
            if self.alive and number == self._wakes:
                self._dirty |= set(self.intent.branches)
                self._decide()

        self._timeline.at(max(wake_at, self._timeline.now + 0.001), wake)

    def _look_again(self) -> None:
        def look() -> None:
            if self.alive:
                self._dirty |= set(self.intent.branches)
                self._decide()
                self._look_again()

        self._timeline.after(LOOK_AGAIN, look)
