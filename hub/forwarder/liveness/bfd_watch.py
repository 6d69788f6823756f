"""A tunnel watched by BFD: one session with its socket, its deadlines and its report."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Callable

from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.liveness.bfd import BfdReceiver, BfdSender
from hub.forwarder.liveness.bfd_words import unlike_timers, why_it_fell
from hub.forwarder.liveness.company import Company
from hub.forwarder.liveness.confirmer import Confirmer
from hub.forwarder.liveness.icmp import Answer, EchoSocket
from hub.forwarder.liveness.model import (
    LivenessReport,
    SessionMemory,
    Standing,
    Timers,
    TunnelSpec,
)
from hub.forwarder.liveness.model import State as Verdict
from hub.forwarder.liveness.patience import patience_ends
from hub.forwarder.loop import Loop
from speaker.bfd.confirmation import Doubt
from speaker.bfd.estimates import Sampling
from speaker.bfd.packet import ControlPacket, State
from speaker.bfd.session import NOTHING, Session, Step
from speaker.bfd.timing import NEVER, SLOW_INTERVAL, SessionTimers
from speaker.bfd.transitions import Change

TRANSMIT_MULTIPLIER = 5
"""What we tell the branches: a short sleep of the hub must not kill tunnels in their eyes."""
_SETTLING = 3_000_000_000
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
        echo: EchoSocket,
        company: Company,
        counters: Counter[str],
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
        self._echo = echo
        self._asker = echo.join(self._measured)
        self._prober = echo.join(self._probed)
        self._changed = changed
        self._standing = Standing.fresh(loop.now())
        self._closed = False
        self._confirmer = Confirmer(
            self,
            Doubt(timers.interval_ns, both_ways=False),
            loop=loop,
            company=company,
            counters=counters,
            expected=self._expected,
            drain=self._drain,
            asks_on=True,
        )
        self._steady_since = loop.now()
        self._forgiven_at = 0
        self._sampling = Sampling(self._confirmer.doubt.round_trip, session.discriminator)
        self._difference: str | None = None
        self._agreed: Callable[[], None] | None = None
        self._transmission = Alarm(loop, self._transmit)
        self._detection = Alarm(loop, self._check)

    def start(self, remembered: SessionMemory | None) -> None:
        """Send the first packet, and receive. A session that was Up in the process before us is still Up."""
        if self._session.state is State.UP and remembered is not None:
            if remembered.state == "down":
                self._standing = self._standing.softly_down(remembered.since_ns, remembered.reason)
                self._confirmer.heal(self._session.detection_time)
            else:
                self._standing = self._standing.resumed(remembered.since_ns, remembered.reason)
        self._receiver.add(self._session.discriminator, self)
        self._arm()

    @property
    def heard_at(self) -> int | None:
        """When anything came over the tunnel last."""
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
        """Nanoseconds: the longest time between two packets of the branch, if none is lost."""
        return self._confirmer.doubt.gaps.interval

    @property
    def lives(self) -> bool:
        """Whether the tunnel is up."""
        return self._standing.state == "up"

    def probe(self, now: int) -> None:
        """Ask the branch's BFD, and its kernel: neither a starved daemon nor a filter must look like a dead line."""
        if self._confirmer.doubt.asking:
            self._sampling.burst()
        if self._session.state is State.UP:
            self._sender.send(self._session.probe(now))
        self._ask_kernel(self._prober, now)

    def _ask_kernel(self, asker: int, now: int) -> None:
        index = self.interface_index
        self._echo.ask(asker, source=self.local, destination=self.spec.remote, interface=index, now=now)

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
        self._confirmer.restart()
        self._act(self._session.configure(_PATIENT, self._loop.now()))
        if self._session.settled:
            self._agreed = None
            return False
        return True

    def receive(self, packet: ControlPacket, arrived: int, now: int) -> None:
        """Take a packet of this session."""
        step = self._session.receive(packet, arrived, now)
        confirmer = self._confirmer
        if step.round_trip is not None and not confirmer.doubt.asking:
            self._sampling.final(step.round_trip)
        if not packet.final:
            confirmer.doubt.gaps.arrived(arrived)
        healed = confirmer.heard(arrived, now, answer=packet.final)
        if step is not NOTHING:
            self._act(step)
        self._healed(healed)

    def _measured(self, answer: Answer) -> None:
        if self._is_from_there(answer):
            self._sampling.echo(max(answer.arrived - answer.sent, 0))
            self._answered(answer)

    def _probed(self, answer: Answer) -> None:
        if self._is_from_there(answer):
            self._sampling.probe(max(answer.arrived - answer.sent, 0))
            self._answered(answer)

    def _is_from_there(self, answer: Answer) -> bool:
        return answer.source == self.spec.remote and answer.interface == self.interface_index

    def _answered(self, answer: Answer) -> None:
        self._healed(self._confirmer.heard(answer.arrived, self._loop.now(), answer=True, sent=answer.sent))

    def _healed(self, why: str) -> None:
        if why and self._session.state is State.UP and self._standing.state == "down":
            self._say("up", why)

    def interface_down(self) -> None:
        """The interface is gone or down: so is the tunnel, at once."""
        self._sender.close()
        change = self._session.path_down(self._loop.now()).change
        self._confirmer.restart()
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
        stands = self._session.state is State.UP and self._agreed is None
        if stands and self._sampling.second(self.interval):
            if self._sampling.by_finals:
                self._act(self._session.poll(now))
            self._ask_kernel(self._asker, now)
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
            self._difference = unlike_timers(session.detection_time, remote.multiplier, self.timers, self.spec)
        return self._difference

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
        self._echo.part(self._asker)
        self._echo.part(self._prober)
        self._sender.close()

    def _transmit(self) -> None:
        now = self._loop.now()
        if now >= self._session.transmit_due:
            self._sender.send(self._session.transmit(now))
        if self._session.transmit_due < NEVER:
            self._transmission.due(self._session.transmit_due)

    def _check(self) -> None:
        """A deadline may have come: that of a late packet, or that of the silence, which is a death only if nothing
        waits to be read, we were awake, and no unlike tunnel fell silent with this one."""
        if self._waits_on():
            return
        found = self._confirmer.look()
        if found is not None:
            self.found_dead(found)
        if self._loop.now() >= self._patience_ends():
            self._drain()
            if self._loop.now() >= self._patience_ends():
                self._give_up()
        if self._session.remote is not None and not self._closed:
            self._detection.due(min(self._patience_ends(), self._confirmer.due))

    def _waits_on(self) -> bool:
        """Whether packets came since the alarm was set, which is nearly always so: it is set anew, at little cost."""
        earliest = min(self._session.detection_due, self._confirmer.due)
        if earliest <= self._loop.now() or self._closed or earliest >= NEVER:
            return False
        self._detection.due(earliest)
        return True

    def found_dead(self, why: str) -> None:
        """The tunnel does not carry what it should, though its session stands: it is down until it answers steadily."""
        if self.lives and self._session.state is State.UP:
            self._say("down", why, hard=False)
            self._confirmer.heal(self._session.detection_time)
            self._arm()

    def _give_up(self) -> None:
        now = self._loop.now()
        if self._confirmer.ask_again():
            self._forgiven_at = now
        else:
            self._act(self._session.expire(now))

    def _patience_ends(self) -> int:
        session = self._session
        if self._forgiven_at > session.silent_since:
            return self._forgiven_at + session.detection_time
        return patience_ends(self._loop, session.silent_since, session.detection_due, session.detection_time)

    def _expected(self) -> int | None:
        """The instant at which the next packet of the branch is late, without any margin."""
        session = self._session
        if session.state is not State.UP or self._standing.state != "up" or self._agreed is not None:
            return None
        return session.silent_since + self._confirmer.doubt.gaps.interval

    def _drain(self) -> None:
        self._receiver.drain()
        self._echo.drain()

    def _act(self, step: Step) -> None:
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
        session, remote = self._session, self._session.remote
        if self._closed:
            return
        if remote is not None:
            self._confirmer.doubt.gaps.expect(session.detection_time // remote.multiplier)
        if session.transmit_due < NEVER:
            self._transmission.due(session.transmit_due)
        if session.detection_due < NEVER and session.state is not State.ADMIN_DOWN:
            self._detection.due(min(session.detection_due, self._confirmer.due))

    def _report_change(self, change: Change) -> None:
        self._confirmer.restart()
        if change.state is State.UP:
            self._say("up", "BFD up")
        elif change.was is State.UP:
            found = self._standing
            # What was found first is what moved the traffic.
            earlier = f"{found.reason}; then " if found.state == "down" and not found.hard else ""
            self._say("down", earlier + why_it_fell(change))

    def _say(self, state: Verdict, reason: str, *, hard: bool = True) -> None:
        standing = self._standing
        if (state, reason, hard) != (standing.state, standing.reason, standing.hard):
            self._standing = standing.moved(state, self._loop.now(), reason, hard=hard)
            self._changed(self.report())


def _say_nothing(_: LivenessReport) -> None:
    """The tunnel is no more of interest."""


def session_timers(timers: Timers) -> SessionTimers:
    """What we ask of the branch, and what we send."""
    return SessionTimers(timers.interval_ns, timers.interval_ns, TRANSMIT_MULTIPLIER)


def interface_index(interface: str, before: int = 0) -> int:
    """The number of an interface; 0 when there is none of this name, `before` when it can't be asked for now."""
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        return before if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM} else 0
