"""A tunnel watched by ICMP echo, for branches that have no BFD."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.bfd_watch import interface_index
from hub.forwarder.liveness.company import Company
from hub.forwarder.liveness.confirmer import Confirmer
from hub.forwarder.liveness.echo_session import EchoSession
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.model import (
    LivenessReport,
    SessionMemory,
    Standing,
    State,
    Timers,
    TunnelSpec,
    silent,
)
from hub.forwarder.liveness.patience import patience_ends
from hub.forwarder.loop import Loop
from speaker.bfd.confirmation import Doubt


class Overhearing(Protocol):
    """An Overhearing measures the health of tunnels, and is told of the echoes that liveness asks for anyway."""

    def asked(self, tunnel: str, now: int) -> None:
        """A request was sent."""

    def answered(self, tunnel: str, answer: Answer) -> None:
        """An answer came."""


class IcmpWatch:
    """An IcmpWatch asks one far end at every interval and says whether it answers."""

    def __init__(
        self,
        spec: TunnelSpec,
        timers: Timers,
        *,
        first_ns: int,
        loop: Loop,
        echo: EchoSocket,
        company: Company,
        counters: Counter[str],
        changed: Callable[[LivenessReport], None],
        health: Overhearing,
    ) -> None:
        self.spec = spec
        self.timers = timers
        self._first = first_ns
        self.interface_index = interface_index(spec.interface)
        self._local = socket.inet_aton(spec.local)
        self._loop = loop
        self._echo = echo
        self._changed = changed
        self._health = health
        self._standing = Standing.fresh(loop.now())
        self._closed = False
        self._session = EchoSession(timers, first_ns, up=False)
        self._asker = echo.join(self._answered)
        self._prober = echo.join(self._probed)
        self._confirmer = Confirmer(
            self,
            Doubt(timers.interval_ns, both_ways=True),
            loop=loop,
            company=company,
            counters=counters,
            expected=self._expected,
            drain=echo.drain,
            asks_on=False,
        )
        self._forgiven_at = 0
        self._request = Alarm(loop, self._ask)
        self._detection = Alarm(loop, self._check)

    def start(self, remembered: SessionMemory | None) -> None:
        """Begin to ask. A tunnel that was up in the process before us is still up."""
        if remembered is not None and remembered.state == "up":
            self._session = EchoSession(self.timers, self._first, up=True)
            self._standing = self._standing.resumed(remembered.since_ns, remembered.reason)
        self._arm()

    @property
    def heard_at(self) -> int | None:
        """When anything came over the tunnel last: here that is always an answer."""
        return self._confirmer.heard_at

    @property
    def answered_at(self) -> int | None:
        """When an answer came last."""
        return self._confirmer.answered_at

    @property
    def answers_within(self) -> int:
        """Nanoseconds in which an answer is here as a rule; 0 while that is not known."""
        return self._confirmer.doubt.answers_within

    @property
    def interval(self) -> int:
        """Nanoseconds between two answers, if none is lost."""
        return self.timers.interval_ns

    @property
    def lives(self) -> bool:
        """Whether the tunnel is up."""
        return self._standing.state == "up"

    def probe(self, now: int) -> None:
        """Ask out of turn."""
        index, local = self.interface_index, self._local
        self._echo.ask(self._prober, source=local, destination=self.spec.remote, interface=index, now=now)

    def set_spec(self, spec: TunnelSpec) -> None:
        """The tunnel is described anew; addresses and interface are the same."""
        self.spec = spec

    def set_timers(self, timers: Timers) -> None:
        """Ask at another rate from now on."""
        self.timers = timers
        self._session.configure(timers, self._loop.now(), self._confirmer.doubt.round_trip.smoothed)
        self._confirmer.doubt.gaps.expect(timers.interval_ns)
        self._arm()

    def interface_down(self) -> None:
        """The interface is gone or down: so is the tunnel, at once."""
        self._session.fall(self._loop.now())
        self._confirmer.restart()
        self._say("down", "interface down")

    def interface_up(self) -> None:
        """The interface is there (again): ask at once."""
        self.interface_index = interface_index(self.spec.interface, self.interface_index)
        if not self._session.up:
            self._session.transmit_due = self._loop.now()
            self._arm()

    def tick(self, now: int) -> None:
        """Once a second: a silent start ends, and an interface that was made anew is found."""
        if self._standing.state != "up":
            self.interface_index = interface_index(self.spec.interface, self.interface_index)
        if self._standing.state == "unknown" and now >= self._standing.gives_up_at(self.timers.detection_ns):
            missing = f"interface {self.spec.interface} is missing"
            self._say("down", "no answer since the start" if self.interface_index else missing)

    def unlike(self, now: int) -> str | None:
        """The far end has no timers that could differ from ours."""
        del now
        return None

    def report(self) -> LivenessReport:
        """What is known of the tunnel."""
        standing, round_trip = self._standing, self._confirmer.doubt.round_trip
        return LivenessReport(
            tunnel=self.spec.name,
            state=standing.state,
            since_ns=standing.since_ns,
            hard=standing.hard,
            reason=standing.reason,
            rtt_ns=round_trip.smoothed if round_trip.samples else None,
            last_heard_ns=self._session.last_heard,
        )

    def memory(self) -> SessionMemory:
        """What the next process must know."""
        return SessionMemory(self._standing.state, self._standing.since_ns, self._standing.reason)

    def leave(self, left: Callable[[], None]) -> None:
        """Stop; there is nobody to say goodbye to."""
        self.close()
        left()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self._request.cancel()
        self._detection.cancel()
        self._echo.part(self._asker)
        self._echo.part(self._prober)

    def _ask(self) -> None:
        now = self._loop.now()
        if now >= self._session.transmit_due:
            index, local = self.interface_index, self._local
            if self._echo.ask(self._asker, source=local, destination=self.spec.remote, interface=index, now=now):
                self._health.asked(self.spec.name, now)
            self._session.sent(now)
        self._arm()

    def _answered(self, answer: Answer) -> None:
        if self._is_from_there(answer):
            doubt = self._confirmer.doubt
            doubt.round_trip.sample(max(answer.arrived - answer.sent, 0))
            doubt.gaps.arrived(answer.arrived)
            self._session.slack = doubt.slack
            self._health.answered(self.spec.name, answer)
            self._heard(answer)

    def _probed(self, answer: Answer) -> None:
        if self._is_from_there(answer):
            self._heard(answer)

    def _is_from_there(self, answer: Answer) -> bool:
        return answer.source == self.spec.remote and answer.interface == self.interface_index

    def _heard(self, answer: Answer) -> None:
        healed = self._confirmer.heard(answer.arrived, self._loop.now(), answer=True, sent=answer.sent)
        came_up = self._session.answered(answer.arrived, answer.sent)
        if came_up:
            self._confirmer.restart()
            self._say("up", "answers ICMP echo")
        elif healed:
            self._say("up", healed)

    def _check(self) -> None:
        """A deadline may have come: that of a late answer, or that of the silence, which is a death only if nothing
        waits to be read, we were awake, and no unlike tunnel fell silent with this one."""
        found = self._confirmer.look()
        if found is not None:
            self._say("down", found, hard=False)
            self._confirmer.heal(self.timers.detection_ns)
        if self._loop.now() >= self._patience_ends():
            self._echo.drain()
            if self._loop.now() >= self._patience_ends():
                self._give_up()
        self._arm()

    def _give_up(self) -> None:
        now = self._loop.now()
        if self._session.up and self._confirmer.ask_again():
            self._forgiven_at = now
            return
        fall = self._session.expire(now)
        if fall is not None:
            self._confirmer.restart()
            found = self._standing
            earlier = f"{found.reason}; then " if found.state == "down" and not found.hard else ""
            self._say("down", earlier + silent(fall.silent_for, fall.intervals, fall.interval))

    def _patience_ends(self) -> int:
        session, detection = self._session, self.timers.detection_ns
        if self._forgiven_at > session.patient_since:
            return self._forgiven_at + detection
        return patience_ends(self._loop, session.patient_since, session.detection_due, detection)

    def _expected(self) -> int | None:
        return self._session.unanswered_since if self._session.up and self.lives else None

    def _arm(self) -> None:
        if self._closed:
            return
        self._request.due(self._session.transmit_due)
        self._detection.due(min(self._patience_ends(), self._confirmer.due))

    def _say(self, state: State, reason: str, *, hard: bool = True) -> None:
        standing = self._standing
        if (state, reason, hard) != (standing.state, standing.reason, standing.hard):
            self._standing = standing.moved(state, self._loop.now(), reason, hard=hard)
            self._changed(self.report())
