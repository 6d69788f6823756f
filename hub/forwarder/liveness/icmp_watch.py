"""A tunnel watched by ICMP echo, for branches that have no BFD."""

from __future__ import annotations

import socket
from collections.abc import Callable

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.bfd_watch import interface_index
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
from hub.forwarder.loop import Loop


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
        changed: Callable[[LivenessReport], None],
    ) -> None:
        self.spec = spec
        self.timers = timers
        self._first = first_ns
        self.interface_index = interface_index(spec.interface)
        self._local = socket.inet_aton(spec.local)
        self._loop = loop
        self._echo = echo
        self._changed = changed
        self._standing = Standing.fresh(loop.now())
        self._closed = False
        self._session = EchoSession(timers, first_ns, up=False)
        self._asker = echo.join(self._answered)
        self._request = Alarm(loop, self._ask)
        self._detection = Alarm(loop, self._check)

    def start(self, remembered: SessionMemory | None) -> None:
        """Begin to ask. A tunnel that was up in the process before us is still up."""
        if remembered is not None and remembered.state == "up":
            self._session = EchoSession(self.timers, self._first, up=True)
            self._standing = self._standing.resumed(remembered.since_ns, remembered.reason)
        self._arm()

    def set_spec(self, spec: TunnelSpec) -> None:
        """The tunnel is described anew; addresses and interface are the same."""
        self.spec = spec

    def set_timers(self, timers: Timers) -> None:
        """Ask at another rate from now on."""
        self.timers = timers
        self._session.configure(timers, self._loop.now())
        self._arm()

    def interface_down(self) -> None:
        """The interface is gone or down: so is the tunnel, at once."""
        self._session.fall(self._loop.now())
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
        standing = self._standing
        return LivenessReport(
            tunnel=self.spec.name,
            state=standing.state,
            since_ns=standing.since_ns,
            hard=True,
            reason=standing.reason,
            rtt_ns=self._session.round_trip,
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

    def _ask(self) -> None:
        now = self._loop.now()
        if now >= self._session.transmit_due:
            index, local = self.interface_index, self._local
            self._echo.ask(self._asker, source=local, destination=self.spec.remote, interface=index, now=now)
            self._session.sent(now)
        self._arm()

    def _answered(self, answer: Answer) -> None:
        if answer.source != self.spec.remote or answer.interface != self.interface_index:
            return
        if self._session.answered(answer.arrived, max(answer.arrived - answer.sent, 0)):
            self._say("up", "answers ICMP echo")

    def _check(self) -> None:
        """The deadline of the silence may have come; it has only if nothing waits to be read and we were awake."""
        now = self._loop.now()
        if now >= self._patience_ends():
            self._echo.drain()
            if now >= self._patience_ends():
                fall = self._session.expire(now)
                if fall is not None:
                    self._say("down", silent(fall.silent_for, fall.intervals, fall.interval))
        if not self._closed:
            self._detection.due(self._patience_ends())

    def _patience_ends(self) -> int:
        stalled = self._loop.stalled_since(self._session.patient_since, self.timers.detection_ns)
        return self._session.detection_due + stalled

    def _arm(self) -> None:
        if self._closed:
            return
        self._request.due(self._session.transmit_due)
        self._detection.due(self._session.detection_due)

    def _say(self, state: State, reason: str) -> None:
        standing = self._standing
        if (state, reason) != (standing.state, standing.reason):
            self._standing = standing.moved(state, self._loop.now(), reason)
            self._changed(self.report())
