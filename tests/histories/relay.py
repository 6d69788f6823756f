"""The relay: ExaBGP's child, its memory, its one controller; and how a fresh one finds out what was before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from histories.exabgp import Exabgp
from histories.pipe import Pipe
from histories.session import VERSIONS, Sessions
from histories.situation import Situation
from histories.timeline import Timeline
from policies.model.announcement import Announcement
from policies.model.ids import Prefix, TunnelId
from policies.model.view import ARRIVES
from speaker.bgp.text import Command

SETTLED = 10.0
"""Seconds after which a session's first announcements are over (speaker.bgp.recovery)."""


@dataclass(slots=True)
class Remembered:
    """What is remembered of one neighbor, as speaker.bgp.memory has it."""

    up: bool | None = None
    at: float = 0.0
    sent: dict[Prefix, Announcement] = field(default_factory=dict)
    sent_before: dict[Prefix, Announcement] = field(default_factory=dict)
    received: set[Prefix] = field(default_factory=set)
    received_before: set[Prefix] = field(default_factory=set)
    sent_ends: set[int] = field(default_factory=set)
    received_end: bool = False
    replaced: dict[Prefix, Announcement] = field(default_factory=dict)
    replaced_at: float = 0.0

    def tell(self, sent: dict[Prefix, Announcement], withdrawn: tuple[Prefix, ...], at: float) -> None:
        """What was sent on the present session; what it takes back is kept for a while."""
        back = {
            prefix: said
            for prefix, said in self.sent.items()
            if prefix in withdrawn or (prefix in sent and said.med < sent[prefix].med)
        }
        if back:
            recent = self.replaced if at - self.replaced_at < ARRIVES.total_seconds() else {}
            self.replaced, self.replaced_at = _lowest(recent, back), at
        self.sent = {prefix: said for prefix, said in self.sent.items() if prefix not in withdrawn} | sent

    def session(self, at: float, *, up: bool) -> None:
        """Another session, or none; a `down` after a `down` is a refused connection."""
        if not up and self.up is False:
            return
        self.sent_before = _lowest(self.sent_before, self.sent)
        if at - self.replaced_at < ARRIVES.total_seconds():
            self.sent_before = _lowest(self.sent_before, self.replaced)
        self.replaced = {}
        self.received_before |= self.received
        self.sent, self.received, self.sent_ends, self.received_end = {}, set(), set(), False
        self.up, self.at = up, at


def _lowest(one: dict[Prefix, Announcement], other: dict[Prefix, Announcement]) -> dict[Prefix, Announcement]:
    better = {p: said for p, said in other.items() if p not in one or said.med < one[p].med}
    return one | better


class Relay:
    """A Relay passes commands to ExaBGP and events to the controller; each direction is a pipe that may be late."""

    def __init__(self, timeline: Timeline, situation: Situation, exabgp: Exabgp, sessions: Sessions) -> None:
        self._timeline, self._situation, self._exabgp, self._sessions = timeline, situation, exabgp, sessions
        self.to_exabgp = Pipe(timeline, situation.to_exabgp, self._exabgp_reads)
        self.from_exabgp = Pipe(timeline, situation.to_exabgp, self._heard)
        self.controller: Pipe | None = None
        self.running = False
        self.ready = False
        self.started = 0.0
        self.lost: Callable[[], None] = lambda: None
        self.memory: dict[TunnelId, Remembered] = {}
        self._awaiting: set[TunnelId] = set()
        self._connections = 0
        self._life = 0

    # living and dying

    def start(self) -> None:
        """Start, and ask ExaBGP what it has been doing; no session notices."""
        self.running, self.ready, self.memory = True, False, {}
        self._life += 1
        self.started = self._timeline.now
        self.from_exabgp.open()
        self._exabgp.relay = self.from_exabgp
        self.to_exabgp.then(self._show_neighbors)

    def _show_neighbors(self) -> None:
        if not (self.running and self._exabgp.running):
            return
        now = self._timeline.now
        shown = []
        for tunnel in self._exabgp.neighbors:
            ends = self._sessions.ends[tunnel]
            shown.append((tunnel, ends.hub is not None, ends.hub_since))
        self.from_exabgp.then(lambda: self._told_neighbors(shown, now))

    def _told_neighbors(self, shown: list[tuple[TunnelId, bool, float]], asked: float) -> None:
        for tunnel, up, since in shown:
            known = self._of(tunnel)
            if known.up is None:
                known.up, known.at = up, since
                known.received_end = up and asked - since >= SETTLED
        self._awaiting = {tunnel for tunnel, up, _ in shown if up}
        for tunnel in sorted(self._awaiting):
            self.to_exabgp.then(lambda t=tunnel: self._flush(t))  # type: ignore[misc]
        if not self._awaiting:
            self._become_ready()

    def _flush(self, tunnel: TunnelId) -> None:
        """Everything once more, then our own End-of-RIB, which is not the set's."""
        neighbor = self._exabgp.neighbors.get(tunnel)
        if not self.running:
            return
        if neighbor is None or self._sessions.ends[tunnel].hub is None:
            self.from_exabgp.then(lambda: self._found_out(tunnel))
            return
        queued = {prefix for prefix, _ in neighbor.queue}
        neighbor.queue += [(p, said) for p, said in neighbor.cache.items() if p not in queued]
        self._exabgp._send_soon(tunnel)
        received = frozenset(neighbor.received)

        def told() -> None:
            self._of(tunnel).received |= received

        self.from_exabgp.then(told)
        life = self._life

        def sent() -> None:
            if life == self._life:
                self.from_exabgp.then(lambda: self._found_out(tunnel))

        self._timeline.after(self._situation.sending, sent)

    def _found_out(self, tunnel: TunnelId) -> None:
        self._awaiting.discard(tunnel)
        if not self._awaiting:
            self._become_ready()

    def _become_ready(self) -> None:
        if not self.ready:
            self.ready = True
            self._tell_memory()

    def die(self) -> None:
        """SIGKILL: what was on its way to ExaBGP still gets there."""
        if not self.running:
            return
        self.running = self.ready = False
        self._exabgp.relay = None
        self.from_exabgp.close()
        self._hang_up(exabgp_gone=False)

    def exabgp_died(self) -> None:
        """Its stdin ends: it says so to the controller, and ends."""
        if not self.running:
            return
        self.running = self.ready = False
        self.to_exabgp.close()
        self._hang_up(exabgp_gone=True)

    def _hang_up(self, *, exabgp_gone: bool) -> None:
        controller, self.controller = self.controller, None
        if controller is not None:
            if exabgp_gone:
                controller.send({"gone": True})
            controller.then(self.lost)

    # the controller

    def greet(self, controller: Pipe) -> None:
        """A controller connected."""
        self.controller = controller
        self._connections += 1
        controller.send({"exabgp": self._exabgp.started})
        if self.ready:
            self._tell_memory()

    def _tell_memory(self) -> None:
        if self.controller is None:
            return
        for tunnel, known in self.memory.items():
            self.controller.send(
                {
                    "memory": tunnel,
                    "up": known.up,
                    "at": known.at,
                    "sent": dict(known.sent),
                    "sent_before": dict(known.sent_before),
                    "received": tuple(sorted(known.received, key=str)),
                    "received_before": tuple(sorted(known.received_before, key=str)),
                    "sent_end": known.sent_ends.issuperset(VERSIONS),
                    "received_end": known.received_end,
                    "replaced": dict(known.replaced),
                    "replaced_at": known.replaced_at,
                }
            )
        self.controller.send({"ready": True})

    def command(self, number: int, command: Command) -> None:
        """A command of the controller, on its way to ExaBGP."""
        if self.running:
            self.to_exabgp.send((self._connections, number, command))

    def _exabgp_reads(self, asked: tuple[int, int, Command]) -> None:
        connection, number, command = asked
        if self._exabgp.running:
            done = self._exabgp.obey(command, connection)
            if self.running:
                self.from_exabgp.send(("answer", (connection, number, done)))

    # ExaBGP

    def _heard(self, message: tuple[str, Any]) -> None:
        if not self.running:
            return
        kind, content = message
        if kind == "event":
            self._remember(content)
            content = {"event": content, "at": self._timeline.now}
        else:
            connection, number, done = content
            if connection != self._connections:
                return  # its controller has gone since
            content = {"answer": number, "done": done}
        if self.ready and self.controller is not None:
            self.controller.send(content)

    def _remember(self, event: dict[str, Any]) -> None:
        tunnel = event["tunnel"]
        if "[removed]" in event.get("reason", ""):
            self.memory.pop(tunnel, None)
            self._awaiting.discard(tunnel)
            return
        known = self._of(tunnel)
        match event:
            case {"state": state}:
                known.session(self._timeline.now, up=state == "up")
                if tunnel in self._awaiting:
                    self._found_out(tunnel)
            case {"sent": sent, "withdrawn": withdrawn}:
                known.tell(sent, withdrawn, self._timeline.now)
            case {"sent end": version}:
                known.sent_ends.add(version)
                known.sent_before = {p: said for p, said in known.sent_before.items() if p.version != version}
            case {"heard": heard, "withdrawn": withdrawn}:
                known.received = (known.received | set(heard)) - set(withdrawn)
                known.received_before -= set(heard) | set(withdrawn)
            case {"heard end": True}:
                known.received_end, known.received_before = True, set()

    def _of(self, tunnel: TunnelId) -> Remembered:
        return self.memory.setdefault(tunnel, Remembered())
