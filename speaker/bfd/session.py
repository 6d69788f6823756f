"""One BFD session in asynchronous mode (RFC 5880 section 6.8), without sockets, clock or randomness of its own.

Its owner tells it what arrived and what time it is (nanoseconds of one monotonic clock), calls `transmit` when
`transmit_due` has come, and `expire` when `detection_due` has come and the owner is convinced that the silence is not
its own fault. The same calls give the same answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from speaker.bfd.memory import Memory
from speaker.bfd.packet import ControlPacket, Diagnostic, State
from speaker.bfd.timing import (
    NEVER,
    SLOW_INTERVAL,
    SessionTimers,
    detection_time,
    microseconds,
    nanoseconds,
    transmit_wait,
)
from speaker.bfd.transitions import TRANSITIONS, Change

_FIRST_REMOTE_MIN_RX = 1_000
"""Nanoseconds; bfd.RemoteMinRxInterval begins at one microsecond (section 6.8.1)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A Step is what follows from one call: packets to send at once, a change of state, the end of a poll sequence.

    `round_trip` is the nanoseconds from the first poll of a sequence to the first final: the way there and back, or
    some intervals more where the first poll or its final was lost.
    """

    packets: tuple[ControlPacket, ...] = ()
    change: Change | None = None
    poll_ended: bool = False
    round_trip: int | None = None


NOTHING = Step()


class Session:
    """A Session is our end of one BFD session."""

    __slots__ = (
        "_desired_in_effect",
        "_jitter",
        "_last_sent",
        "_outgoing",
        "_pending",
        "_poll_started",
        "_polling",
        "_polls_sent",
        "_quiet_until",
        "_remote",
        "_required_in_effect",
        "diagnostic",
        "discriminator",
        "last_heard",
        "remote_discriminator",
        "silent_since",
        "state",
        "timers",
        "transmit_due",
    )

    def __init__(self, discriminator: int, timers: SessionTimers, now: int, jitter: Callable[[], float]) -> None:
        """A session that is Down and sends its first packet at `now`; `jitter` gives numbers over [0, 1)."""
        self.discriminator = discriminator
        self.timers = timers
        self.state = State.DOWN
        self.diagnostic = Diagnostic.NONE
        self.remote_discriminator = 0
        self.last_heard: int | None = None
        self.silent_since = now
        """The instant from which the detection time counts: the last packet, or our start."""
        self.transmit_due = now
        """When the next periodic packet is to be sent; `NEVER` when none may be."""
        self._jitter = jitter
        self._remote: ControlPacket | None = None
        self._desired_in_effect = max(timers.desired_min_tx, SLOW_INTERVAL)
        self._required_in_effect = timers.required_min_rx
        self._last_sent = now
        self._pending: SessionTimers | None = None
        self._polling = False
        self._poll_started = self._polls_sent = self._quiet_until = 0
        self._outgoing: ControlPacket | None = None

    @classmethod
    def restore(cls, memory: Memory, timers: SessionTimers, now: int, jitter: Callable[[], float]) -> Session:
        """The session as it was in a process before us, with the timers that are wanted now.

        An Up session stays Up, its silence counted from `now`. Until the poll sequence that it begins has ended, it
        sends at the faster of the old rate and the wanted one and has the patience of the slower: the memory may be
        older than what was last agreed.
        """
        session = cls(memory.discriminator, timers, now, jitter)
        if memory.state == State.UP and memory.remote_discriminator and memory.remote_multiplier:
            session._resume(memory, timers, now)
        return session

    def _resume(self, memory: Memory, timers: SessionTimers, now: int) -> None:
        self.state = State.UP
        self.remote_discriminator = memory.remote_discriminator
        self._remote = ControlPacket(
            State.UP,
            memory.remote_discriminator,
            self.discriminator,
            microseconds(memory.remote_desired_min_tx),
            microseconds(memory.remote_required_min_rx),
            memory.remote_multiplier,
        )
        self._desired_in_effect = min(memory.desired_min_tx or SLOW_INTERVAL, timers.desired_min_tx)
        self._required_in_effect = max(memory.required_min_rx, timers.required_min_rx)
        self._start_poll(now)
        self._reschedule(now)

    def remember(self) -> Memory:
        """What `restore` needs."""
        remote = self._remote
        return Memory(
            discriminator=self.discriminator,
            state=self.state,
            remote_discriminator=self.remote_discriminator,
            remote_multiplier=remote.multiplier if remote else 0,
            remote_desired_min_tx=nanoseconds(remote.desired_min_tx) if remote else 0,
            remote_required_min_rx=nanoseconds(remote.required_min_rx) if remote else 0,
            desired_min_tx=self._desired_in_effect,
            required_min_rx=self._required_in_effect,
        )

    @property
    def remote(self) -> ControlPacket | None:
        """The packet received last, as far as it is still believed; None before the first and after a death."""
        return self._remote

    @property
    def settled(self) -> bool:
        """Whether the other side has agreed to our timers: no poll sequence is under way or waiting."""
        return not self._polling and self._pending is None

    @property
    def transmit_interval(self) -> int:
        """Nanoseconds between our packets, before jitter; 0 when the other side wants none (section 6.8.2)."""
        remote_min_rx = nanoseconds(self._remote.required_min_rx) if self._remote else _FIRST_REMOTE_MIN_RX
        return max(self._desired_in_effect, remote_min_rx) if remote_min_rx else 0

    @property
    def detection_time(self) -> int:
        """Nanoseconds of silence that are not yet a death; 0 while nothing was heard."""
        remote = self._remote
        if remote is None:
            return 0
        return detection_time(remote.multiplier, self._required_in_effect, nanoseconds(remote.desired_min_tx))

    @property
    def detection_due(self) -> int:
        """When the silence becomes a death, if nothing is received before."""
        return self.silent_since + self.detection_time if self._remote else NEVER

    def receive(self, packet: ControlPacket, arrived: int, now: int) -> Step:
        """Take a valid packet that belongs to this session and reached this machine at `arrived`."""
        if self.state is State.ADMIN_DOWN:
            return NOTHING
        last, self._remote = self._remote, packet
        self.last_heard = arrived
        if arrived > self.silent_since:
            self.silent_since = arrived
        if (packet is last or packet == last) and not packet.poll and not packet.final:
            if (self.state, packet.state) not in TRANSITIONS:
                return NOTHING
        else:
            self._outgoing = None
        self.remote_discriminator = packet.my_discriminator
        ended, round_trip = self._end_poll(arrived) if packet.final and self._polling else (False, None)
        change = self._transit(packet, now)
        packets = self._answers(packet, now, changed=change is not None)
        self._reschedule(now)
        return Step(packets, change, ended, round_trip)

    def transmit(self, now: int) -> ControlPacket:
        """The periodic packet, at or after `transmit_due`."""
        if self._pending is not None and not self._polling and now >= self._quiet_until:
            self._adopt(self._pending, now)
        return self._send(now)

    def expire(self, now: int) -> Step:
        """The detection time has passed in silence: the session falls, and the other side is forgotten."""
        silence = now - (self.last_heard if self.last_heard is not None else self.silent_since)
        change = self._fall(Diagnostic.DETECTION_TIME_EXPIRED, now, silence)
        return Step((self._send(now),), change) if change else NOTHING

    def path_down(self, now: int) -> Step:
        """The interface under the session is gone."""
        return Step(change=self._fall(Diagnostic.PATH_DOWN, now, 0))

    def disable(self, now: int) -> Step:
        """Hold the session administratively down; it goes on saying so to the other side (section 6.8.16)."""
        change = self._enter(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
        return Step((self._send(now),), change)

    def configure(self, timers: SessionTimers, now: int) -> Step:
        """Want other timers. On an Up session a poll sequence makes them known (section 6.8.3).

        While another poll sequence is under way the change waits for its end.
        """
        if timers == (self._pending or self.timers):
            return NOTHING
        if self.state is State.UP and (self._polling or now < self._quiet_until):
            self._pending = timers
            return NOTHING
        self._adopt(timers, now)
        return Step((self._send(now),)) if self.state is State.UP else NOTHING

    def poll(self, now: int) -> Step:
        """Ask the other side for a final, to measure the round trip; only when nothing else is under way."""
        if self.state is not State.UP or not self.settled or now < self._quiet_until:
            return NOTHING
        self._start_poll(now)
        return Step((self._send(now),))

    def probe(self, now: int) -> ControlPacket:
        """A poll out of turn, on an Up session: whatever is answered to it shows that both directions work."""
        if not self._polling:
            self._start_poll(now)
        return self._send(now)

    def _adopt(self, timers: SessionTimers, now: int) -> None:
        # Nothing waits any more, also when what waited is overtaken: it must not come back at the next packet.
        was, self.timers, self._pending = self.timers, timers, None
        self._outgoing = None
        if self.state is not State.UP:
            self._take_effect()
            self._reschedule(now)
        elif (was.desired_min_tx, was.required_min_rx) != (timers.desired_min_tx, timers.required_min_rx):
            self._desired_in_effect = min(self._desired_in_effect, timers.desired_min_tx)
            self._required_in_effect = max(self._required_in_effect, timers.required_min_rx)
            self._start_poll(now)

    def _take_effect(self) -> None:
        slowest = 0 if self.state is State.UP else SLOW_INTERVAL
        self._desired_in_effect = max(self.timers.desired_min_tx, slowest)
        self._required_in_effect = self.timers.required_min_rx

    def _start_poll(self, now: int) -> None:
        self._polling, self._poll_started, self._polls_sent = True, now, 0
        self._outgoing = None

    def _end_poll(self, now: int) -> tuple[bool, int | None]:
        round_trip = now - self._poll_started
        # Answers to further polls of this sequence may still be on their way, for at most one round trip. They
        # must not end the next sequence.
        self._quiet_until = now + max(round_trip, 0)
        self._polling = False
        self._outgoing = None
        self._take_effect()
        return True, round_trip if self._polls_sent > 0 and round_trip > 0 else None

    def _transit(self, packet: ControlPacket, now: int) -> Change | None:
        follows = TRANSITIONS.get((self.state, packet.state))
        if follows is None:
            return None
        change = self._enter(*follows)
        if self.state is State.UP:
            self._start_poll(now)
        return change

    def _enter(self, state: State, diagnostic: Diagnostic, silent_for: int = 0) -> Change:
        remote = self._remote
        change = Change(
            was=self.state,
            state=state,
            diagnostic=diagnostic,
            remote_state=remote.state if remote else State.DOWN,
            remote_diagnostic=remote.diagnostic if remote else 0,
            silent_for=silent_for,
            intervals=remote.multiplier if remote else 0,
            interval=self.detection_time // remote.multiplier if remote else 0,
        )
        self.state, self.diagnostic = state, diagnostic
        self._polling = False
        self._outgoing = None
        if self._pending is not None:
            self.timers, self._pending = self._pending, None
        self._take_effect()
        return change

    def _fall(self, diagnostic: Diagnostic, now: int, silence: int) -> Change | None:
        falls = self.state in (State.INIT, State.UP)
        change = self._enter(State.DOWN, diagnostic, silence) if falls else None
        self.silent_since = now
        self._remote = None
        self.remote_discriminator = 0
        self._outgoing = None
        self._reschedule(now)
        return change

    def _answers(self, packet: ControlPacket, now: int, *, changed: bool) -> tuple[ControlPacket, ...]:
        """A final for a poll; else what changed is said at once rather than at the next interval (section 6.8.7)."""
        final = (self._packet(final=True),) if packet.poll else ()
        if changed and (self._polling or not final):
            return (*final, self._send(now))
        return final

    def _send(self, now: int) -> ControlPacket:
        self._last_sent = now
        if self._polling:
            if self._polls_sent == 0:
                self._poll_started = now
            self._polls_sent += 1
        self.transmit_due = self._next_transmission()
        return self._packet(final=False)

    def _reschedule(self, now: int) -> None:
        """The other side may have asked for a faster rate, which is honored at once (section 6.8.3), or for silence."""
        latest = self._last_sent + self.transmit_interval
        if not self._may_transmit():
            self.transmit_due = NEVER
        elif self.transmit_due > latest:
            self.transmit_due = max(now, self._next_transmission())

    def _next_transmission(self) -> int:
        if not self._may_transmit():
            return NEVER
        return self._last_sent + transmit_wait(self.transmit_interval, self.timers.multiplier, self._jitter())

    def _may_transmit(self) -> bool:
        """Not when the other side wants no packets, nor in its demand mode while both are Up (section 6.8.7)."""
        remote = self._remote
        if remote is None:
            return True
        if remote.required_min_rx == 0:
            return False
        demand = remote.demand and self.state is State.UP and remote.state is State.UP
        return not demand or self._polling

    def _packet(self, *, final: bool) -> ControlPacket:
        if self._outgoing is not None and not final:
            return self._outgoing
        slowest = 0 if self.state is State.UP else SLOW_INTERVAL
        packet = ControlPacket(
            state=self.state,
            my_discriminator=self.discriminator,
            your_discriminator=self.remote_discriminator,
            desired_min_tx=microseconds(max(self.timers.desired_min_tx, slowest)),
            required_min_rx=microseconds(self.timers.required_min_rx),
            multiplier=self.timers.multiplier,
            diagnostic=self.diagnostic,
            poll=self._polling and not final,
            final=final,
        )
        if not final:
            self._outgoing = packet
        return packet
