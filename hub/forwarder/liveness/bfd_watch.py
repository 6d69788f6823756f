"""A tunnel watched by BFD: one session with its socket, its deadlines and its report."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.bfd import BfdReceiver, BfdSender
from hub.forwarder.liveness.model import (
    LivenessReport,
    SessionMemory,
    Standing,
    Timers,
    TunnelSpec,
    milliseconds,
    silent,
)
from hub.forwarder.liveness.model import State as Verdict
from hub.forwarder.loop import Loop
from speaker.bfd.packet import ControlPacket, Diagnostic, State
from speaker.bfd.session import NOTHING, Session, Step
from speaker.bfd.timing import NEVER, SLOW_INTERVAL, SessionTimers
from speaker.bfd.transitions import Change

TRANSMIT_MULTIPLIER = 5
"""What we tell the branches: a short sleep of the hub must not kill tunnels in their eyes."""
_SETTLING = 3_000_000_000
_TICKS_A_POLL = 10
_PATIENT = SessionTimers(SLOW_INTERVAL, SLOW_INTERVAL, TRANSMIT_MULTIPLIER)


class BfdWatch:
    """A BfdWatch keeps one BFD session and says what it means for the tunnel."""

    def __init__(
        self,
        spec: TunnelSpec,
        timers: Timers,
        session: Session,
        *,
        loop: Loop,
        receiver: BfdReceiver,
        sender: BfdSender,
        changed: Callable[[LivenessReport], None],
    ) -> None:
        self.spec = spec
        self.timers = timers
        self.remote = spec.remote
        self.local = socket.inet_aton(spec.local)
        self.interface_index = interface_index(spec.interface)
        self._session = session
        self._loop = loop
        self._receiver = receiver
        self._sender = sender
        self._changed = changed
        self._standing = Standing.fresh(loop.now())
        self._closed = False
        self._round_trip: int | None = None
        self._steady_since = loop.now()
        self._difference: str | None = None
        self._ticks = session.discriminator % _TICKS_A_POLL
        self._agreed: Callable[[], None] | None = None
        self._transmission = Alarm(loop, self._transmit)
        self._detection = Alarm(loop, self._check)

    def start(self, remembered: SessionMemory | None) -> None:
        """Send the first packet, and receive. A session that was Up in the process before us is still Up."""
        if self._session.state is State.UP and remembered is not None:
            self._standing = self._standing.resumed(remembered.since_ns, remembered.reason)
        self._receiver.add(self._session.discriminator, self)
        self._arm()

    def set_spec(self, spec: TunnelSpec) -> None:
        """The tunnel is described anew; addresses and interface are the same."""
        self.spec = spec

    def set_timers(self, timers: Timers) -> None:
        """Ask at another rate from now on, by a poll sequence if the session is Up."""
        self.timers = timers
        self._steady_since = self._loop.now()
        self._act(self._session.configure(session_timers(timers), self._loop.now()))

    def slow_down(self, then: Callable[[], None]) -> bool:
        """Renegotiate to timers that outlast a restart and call back when the branch agreed; False if it is not Up."""
        if self._session.state is not State.UP:
            return False
        self._agreed = then
        self._act(self._session.configure(_PATIENT, self._loop.now()))
        if self._session.settled:
            self._agreed = None
            return False
        return True

    def receive(self, packet: ControlPacket, arrived: int, now: int) -> None:
        """Take a packet of this session."""
        step = self._session.receive(packet, arrived, now)
        if step is not NOTHING:
            self._act(step)

    def interface_down(self) -> None:
        """The interface is gone or down: so is the tunnel, at once."""
        self._sender.close()
        change = self._session.path_down(self._loop.now()).change
        self._say("down", "interface down")
        if change is not None:
            self._arm()

    def interface_up(self) -> None:
        """The interface is there (again): look it up, and try at once."""
        self.interface_index = interface_index(self.spec.interface, self.interface_index)
        if self._session.state is not State.UP:
            self._sender.close()
            self._sender.send(self._session.transmit(self._loop.now()))
            self._arm()

    def tick(self, now: int) -> None:
        """Once a second: a silent start ends, an interface that was made anew is found, the round trip is measured."""
        self._ticks += 1
        if self._agreed is None and (self._round_trip is None or self._ticks % _TICKS_A_POLL == 0):
            self._act(self._session.poll(now))
        if self._standing.state != "up":
            self.interface_index = interface_index(self.spec.interface, self.interface_index)
        if self._standing.state == "unknown" and now >= self._standing.gives_up_at(self.timers.detection_ns):
            missing = f"interface {self.spec.interface} is missing"
            self._say("down", "no answer since the start" if self.interface_index else missing)

    def unlike(self, now: int) -> str | None:
        """How the branch's timers differ from the configured ones, once they are settled; None if they don't."""
        session, remote = self._session, self._session.remote
        if session.state is not State.UP or remote is None or now - self._steady_since < _SETTLING:
            self._difference = None
        elif session.settled:
            self._difference = self._compare(session, remote)
        return self._difference

    def _compare(self, session: Session, remote: ControlPacket) -> str | None:
        interval = session.detection_time // remote.multiplier
        # A branch sends one multiplier, whatever the hub's timers for carrying and for standing by say.
        multipliers = {self.spec.active.multiplier, self.spec.idle.multiplier}
        if remote.multiplier in multipliers and interval == self.timers.interval_ns:
            return None
        return (
            f"the branch sends every {milliseconds(interval)} with multiplier {remote.multiplier}, configured are "
            f"{milliseconds(self.timers.interval_ns)} and {self.timers.multiplier}: "
            f"its death is seen after {milliseconds(session.detection_time)}"
        )

    def report(self) -> LivenessReport:
        """What is known of the tunnel."""
        standing = self._standing
        return LivenessReport(
            tunnel=self.spec.name,
            state=standing.state,
            since_ns=standing.since_ns,
            hard=True,
            reason=standing.reason,
            rtt_ns=self._round_trip,
            last_heard_ns=self._session.last_heard,
        )

    def memory(self) -> SessionMemory:
        """What the next process must know."""
        standing = self._standing
        return SessionMemory(standing.state, standing.since_ns, standing.reason, self._session.remember())

    def leave(self, left: Callable[[], None]) -> None:
        """Say goodbye for as long as the branch takes to believe that we are gone, then close and call back."""
        goodbye_for = TRANSMIT_MULTIPLIER * self.timers.interval_ns
        self._changed = _say_nothing
        self._detection.cancel()
        self._act(self._session.disable(self._loop.now()))

        def gone() -> None:
            self.close()
            left()

        self._loop.call_at(self._loop.now() + goodbye_for, gone)

    def close(self) -> None:
        """Stop at once, and without a word to the branch."""
        self._closed = True
        self._transmission.cancel()
        self._detection.cancel()
        self._receiver.remove(self._session.discriminator, self)
        self._sender.close()

    def _transmit(self) -> None:
        now = self._loop.now()
        if now >= self._session.transmit_due:
            self._sender.send(self._session.transmit(now))
        if self._session.transmit_due < NEVER:
            self._transmission.due(self._session.transmit_due)

    def _check(self) -> None:
        """The deadline of the silence may have come; it has only if nothing waits to be read and we were awake."""
        now = self._loop.now()
        if now >= self._patience_ends():
            self._receiver.drain()
            if now >= self._patience_ends():
                self._act(self._session.expire(now))
        if self._session.remote is not None and not self._closed:
            self._detection.due(self._patience_ends())

    def _patience_ends(self) -> int:
        session = self._session
        return session.detection_due + self._loop.stalled_since(session.silent_since, session.detection_time)

    def _act(self, step: Step) -> None:
        if step.round_trip is not None:
            self._round_trip = step.round_trip
        if step.change is not None:
            self._steady_since = self._loop.now()
            self._report_change(step.change)
        for packet in step.packets:
            self._sender.send(packet)
        if self._agreed is not None and (step.poll_ended or step.change is not None) and self._session.settled:
            agreed, self._agreed = self._agreed, None
            agreed()
        self._arm()

    def _arm(self) -> None:
        session = self._session
        if self._closed:
            return
        if session.transmit_due < NEVER:
            self._transmission.due(session.transmit_due)
        if session.detection_due < NEVER and session.state is not State.ADMIN_DOWN:
            self._detection.due(session.detection_due)

    def _report_change(self, change: Change) -> None:
        if change.state is State.UP:
            self._say("up", "BFD up")
        elif change.was is State.UP:
            self._say("down", self._why(change))

    @staticmethod
    def _why(change: Change) -> str:
        if change.diagnostic is Diagnostic.DETECTION_TIME_EXPIRED:
            return silent(change.silent_for, change.intervals, change.interval)
        if change.remote_state is State.ADMIN_DOWN:
            return "the branch closed its BFD session (administratively down)"
        return f"the branch says down ({_diagnostic(change.remote_diagnostic)})"

    def _say(self, state: Verdict, reason: str) -> None:
        standing = self._standing
        if (state, reason) != (standing.state, standing.reason):
            self._standing = standing.moved(state, self._loop.now(), reason)
            self._changed(self.report())


def _say_nothing(_: LivenessReport) -> None:
    """The tunnel is no more of interest."""


def _diagnostic(number: int) -> str:
    try:
        return Diagnostic(number).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {number}"


def session_timers(timers: Timers) -> SessionTimers:
    """What we ask of the branch, and what we send."""
    return SessionTimers(timers.interval_ns, timers.interval_ns, TRANSMIT_MULTIPLIER)


def interface_index(interface: str, before: int = 0) -> int:
    """The number of an interface; 0 when there is none of this name, `before` when it can't be asked for now."""
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        return before if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM} else 0
