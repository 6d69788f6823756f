"""The controller's end of one ExaBGP process: the real ledger between what is wanted and a model of the relay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

from histories.pipe import Pipe
from histories.relay import Relay
from histories.session import VERSIONS
from histories.situation import Situation
from histories.timeline import Timeline
from policies.model.announcement import Announcements
from policies.model.events import (
    AnnouncementsSent,
    EndOfRibHeard,
    Event,
    RoutesHeard,
    RoutesWithdrawn,
    SessionChanged,
    SetSent,
    SpeakerConnected,
    SpeakerLost,
    SpeakerReady,
)
from policies.model.ids import Prefix, TunnelId
from policies.model.intent import Intent
from policies.model.view import SessionState
from speaker.bgp.ledger import Ledger
from speaker.bgp.text import Command, Teardown

TICK = 0.25
"""Seconds between looks at what is overdue (hub.bgp.speaker)."""


class Speaker:
    """A Speaker does what hub.bgp.speaker does, without its socket: connect, adopt, want, translate, close."""

    def __init__(
        self,
        timeline: Timeline,
        situation: Situation,
        intent: Intent,
        process: int,
        relay: Relay,
        on_event: Callable[[Event], None],
        ledger: Callable[[], Ledger],
    ) -> None:
        self._timeline, self._situation, self._process, self._relay = timeline, situation, process, relay
        self._on_event = on_event
        self.ledger = ledger()
        self.alive = True
        self.ready = False
        self.ready_since = 0.0
        self.on_command: Callable[[TunnelId, Command], None] = lambda *_: None
        self._connected = self._met = False
        self._exabgp: int | None = None
        self._exabgp_gone = False
        self._states: dict[TunnelId, SessionState] = {}
        self._accepted: dict[TunnelId, set[Prefix]] = {}
        self._wanted: dict[TunnelId, Announcements] = {}
        self._retiring: frozenset[TunnelId] = frozenset()
        self._ticking = False
        self.to_relay = Pipe(timeline, situation.to_relay, lambda asked: relay.command(*asked))
        self.from_relay = Pipe(timeline, situation.to_relay, self._take)
        self.reconfigure(intent)

    # the connection

    def connect(self) -> None:
        """The relay listens: be connected to it, if there is none yet."""
        if not (self.alive and self._relay.running) or self._connected or self._relay.controller is not None:
            return
        self._connected = True
        self.to_relay.open()
        self.from_relay.open()
        self._relay.lost = self.hang_up
        self.to_relay.then(self._greet)

    def _greet(self) -> None:
        if not self.alive:
            return
        if self._relay.running and self._relay.controller is None:
            self._relay.greet(self.from_relay)
        else:
            self._connected = False

    def hang_up(self) -> None:
        """The relay is gone."""
        if not self.alive:
            return
        self.ready = self._connected = False
        self.to_relay.close()
        self.ledger.lost()
        if self._met:
            gone = self._exabgp_gone
            self._on_event(
                SpeakerLost(self._timeline.now, exabgp_gone=gone, process=self._process, tunnels=self.tunnels)
            )
        self._met = False
        if self._exabgp_gone:
            self._exabgp = None
        self._timeline.after(self._situation.reconnecting, self.connect)

    def die(self) -> None:
        """The controller is gone: what it wrote is still read, and nobody reads what comes back."""
        self.alive = self.ready = False
        self.from_relay.close()
        if self._relay.controller is self.from_relay:
            self._relay.controller = None

    # what is wanted

    def want(self, announcements: Mapping[TunnelId, Announcements], urgent: frozenset[TunnelId]) -> None:
        """As hub.bgp.speaker has it, for the tunnels of this process."""
        announcements = {t: said for t, said in announcements.items() if t in self.tunnels}
        for tunnel in self._wanted.keys() - announcements.keys():
            self._tell_ledger(tunnel, None, urgent=False)
        for tunnel, wanted in announcements.items():
            if tunnel in self._retiring:
                continue
            if tunnel in urgent or self._wanted.get(tunnel) != wanted:
                self._tell_ledger(tunnel, wanted, urgent=tunnel in urgent)
        self._wanted = dict(announcements)
        self._say()

    def close(self, tunnel: TunnelId) -> bool:
        """Close a session; whether it was asked."""
        address = self._addresses.get(tunnel)
        if address is None or not self.ready or self.ledger.hurries or not self.ledger.is_up(address):
            return False
        self.to_relay.send((0, Teardown(address)))
        return True

    def retire(self, tunnels: frozenset[TunnelId]) -> None:
        """Withdraw everything from tunnels that are about to be removed."""
        self._retiring = tunnels & self.tunnels
        for tunnel in self._retiring:
            self._tell_ledger(tunnel, {}, urgent=False)
        self._say()

    def address_of(self, tunnel: TunnelId) -> IPv4Address:
        """The branch's address on this tunnel."""
        return self._addresses[tunnel]

    def silent(self, tunnels: frozenset[TunnelId]) -> bool:
        """Whether what was retired is seen to be withdrawn."""
        addresses = [self._addresses[tunnel] for tunnel in tunnels if tunnel in self._addresses]
        return all(not self.ledger.is_up(a) or self.ledger.settled(a) for a in addresses)

    def reconfigure(self, intent: Intent) -> None:
        """Other tunnels."""
        before = dict(getattr(self, "_addresses", {}))
        own = {t.id: t for t in intent.tunnels().values() if t.process == self._process}
        self._retiring = frozenset()
        self.tunnels = frozenset(own)
        self._addresses = {t: tunnel.link.branch for t, tunnel in own.items()}
        self._branches = intent.branches
        for tunnel in before.keys() - self._addresses.keys():
            self.ledger.forget(before[tunnel])
        for tunnel, wanted in self._wanted.items():
            self._tell_ledger(tunnel, wanted, urgent=False)
        self._say()

    def _tell_ledger(self, tunnel: TunnelId, wanted: Announcements | None, *, urgent: bool) -> None:
        if tunnel in self._addresses:
            self.ledger.want(self._addresses[tunnel], wanted, urgent=urgent)

    def _say(self) -> None:
        if not self.ready or not self.alive:
            return
        tunnels = {address: tunnel for tunnel, address in self._addresses.items()}
        for number, command in self.ledger.commands(self._timeline.now):
            self.on_command(tunnels[command.neighbor], command)  # type: ignore[union-attr]
            self.to_relay.send((number, command))
        self._tick_while_unsettled()

    def _tick_while_unsettled(self) -> None:
        if self._ticking or all(self.ledger.settled(a) for a in self._addresses.values()):
            return
        self._ticking = True

        def tick() -> None:
            self._ticking = False
            if self.alive:
                self._say()

        self._timeline.after(TICK, tick)

    # what the relay says

    def _take(self, message: dict[str, Any]) -> None:
        if not self.alive:
            return
        match message:
            case {"event": event, "at": at}:
                self._event(event, at)
            case {"answer": number, "done": done}:
                self.ledger.answered(number, done=done, now=self._timeline.now)
            case {"memory": tunnel}:
                self._remember(tunnel, message)
            case {"ready": True}:
                self.ready, self.ready_since = True, self._timeline.now
                self._on_event(SpeakerReady(self._timeline.now, self._process, self.tunnels))
            case {"gone": True}:
                self._exabgp_gone = True
            case {"exabgp": number}:
                self._greeted(number)
        # After the loop has decided on what was just heard.
        self._timeline.after(0.0, self._say)

    def _greeted(self, exabgp: int) -> None:
        self._exabgp_gone = False
        if self._exabgp not in (None, exabgp):
            self._on_event(
                SpeakerLost(self._timeline.now, exabgp_gone=True, process=self._process, tunnels=self.tunnels)
            )
        self._exabgp = exabgp
        self._met = True
        self._states.clear()
        self._accepted.clear()
        self.ledger.lost()
        self._on_event(SpeakerConnected(self._process, self.tunnels))

    def _remember(self, tunnel: TunnelId, memory: dict[str, Any]) -> None:
        if tunnel not in self._addresses or memory["up"] is None:
            return
        at, tell = memory["at"], self._on_event
        if memory["up"]:
            self.ledger.adopt(self._addresses[tunnel], memory["sent"], VERSIONS, end_of_rib=memory["sent_end"])
        self._received(tunnel, memory["received_before"], (), at)
        if memory["sent_before"]:
            tell(AnnouncementsSent(tunnel, memory["sent_before"], (), at))
        self._states.pop(tunnel, None)
        self._state(tunnel, at, up=memory["up"])
        if memory["replaced"]:
            tell(AnnouncementsSent(tunnel, memory["replaced"], (), memory["replaced_at"]))
            tell(AnnouncementsSent(tunnel, {}, tuple(memory["replaced"]), memory["replaced_at"]))
        if memory["sent"]:
            tell(AnnouncementsSent(tunnel, memory["sent"], (), at))
        self._received(tunnel, memory["received"], (), at)
        if memory["received_end"]:
            tell(EndOfRibHeard(tunnel, at))
        if memory["sent_end"]:
            tell(SetSent(tunnel, at))

    def _event(self, event: dict[str, Any], at: float) -> None:
        tunnel = event["tunnel"]
        if tunnel not in self._addresses:
            return
        address = self._addresses[tunnel]
        match event:
            case {"state": state}:
                up = state == "up"
                if up:
                    self.ledger.up(address, VERSIONS)
                else:
                    self.ledger.down(address)
                self._state(tunnel, at, up=up)
            case {"sent": sent, "withdrawn": withdrawn}:
                self.ledger.sent(address, sent, withdrawn)
                self._on_event(AnnouncementsSent(tunnel, sent, tuple(withdrawn), at))
            case {"sent end": version}:
                if self.ledger.end_of_rib_sent(address, version):
                    self._on_event(SetSent(tunnel, at))
            case {"heard": heard, "withdrawn": withdrawn}:
                self._received(tunnel, heard, withdrawn, at)
            case {"heard end": True}:
                self._on_event(EndOfRibHeard(tunnel, at))

    def _state(self, tunnel: TunnelId, at: float, *, up: bool) -> None:
        state = SessionState.UP if up else SessionState.DOWN
        if not up and self._states.get(tunnel) is SessionState.DOWN:
            return
        self._states[tunnel] = state
        self._accepted.pop(tunnel, None)
        self._on_event(SessionChanged(tunnel, state, at))

    def _received(self, tunnel: TunnelId, heard: tuple[Prefix, ...], withdrawn: tuple[Prefix, ...], at: float) -> None:
        allowed = set(self._branches[tunnel.branch].prefixes) if tunnel.branch in self._branches else set()
        accepted = tuple(prefix for prefix in heard if prefix in allowed)
        if withdrawn:
            self._on_event(RoutesWithdrawn(tunnel, tuple(withdrawn), at))
        if accepted:
            self._on_event(RoutesHeard(tunnel, accepted, at))
