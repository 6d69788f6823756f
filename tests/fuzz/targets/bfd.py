"""BFD packets from anybody, and a session to which everything happens in any order."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from typing import Any, cast

from draw import Draw

from hub.forwarder.liveness.arrival import IP_PKTINFO, IP_TTL, SO_TIMESTAMPNS
from hub.forwarder.liveness.bfd import BfdReceiver
from speaker.bfd.memory import Memory
from speaker.bfd.packet import BadPacket, ControlPacket, State, decode, encode
from speaker.bfd.session import Session, Step
from speaker.bfd.timing import NEVER, SLOW_INTERVAL, SessionTimers

WORDS = (
    encode(ControlPacket(State.UP, 22, 11, 50_000, 50_000, 3)),
    b"\x20\x40\x03\x18",
    b"\0\0\0\x0b",
    b"\0\0\xc3\x50",
)

_MS = 1_000_000
_OURS, _INTERFACE = 11, 7
_LOCAL, _REMOTE = socket.inet_aton("10.255.0.0"), "10.255.0.1"
_TIMES = (0, 1, 1000, 50_000, 1_000_000, 0xFFFFFFFF)


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    check_packet(data)
    if draw.flag():
        Life(draw).live()
    else:
        check_receiver(draw)


def check_packet(data: bytes) -> None:
    """What is accepted says the same when it is written again."""
    packet = decode(data)
    if isinstance(packet, ControlPacket):
        written = encode(packet)
        assert written[:3] + written[4:] == data[:3] + data[4:24]
        assert decode(written) == packet
        assert packet.multiplier
        assert packet.my_discriminator
    else:
        assert isinstance(packet, BadPacket)


class Peer:
    """Notes what reaches it."""

    interface_index = _INTERFACE
    local = _LOCAL
    remote = _REMOTE

    def __init__(self) -> None:
        self.got: list[ControlPacket] = []

    def receive(self, packet: ControlPacket, arrived: int, now: int) -> None:
        """A packet for this session."""
        assert arrived <= now
        self.got.append(packet)


def check_receiver(draw: Draw) -> None:
    """Every datagram is counted once, and only a right one from the right place gets through."""
    counters, peer = Counter[str](), Peer()
    receiver = BfdReceiver(cast(Any, None), counters)
    receiver.add(_OURS, peer)
    datagrams = 0
    while draw and datagrams < 8:
        datagrams += 1
        ttl, interface = draw.choice((255, 255, 254, 0)), draw.choice((_INTERFACE, _INTERFACE, 0, 8))
        local, source = draw.choice((_LOCAL, _LOCAL, b"\0" * 4)), draw.choice((_REMOTE, _REMOTE, "10.0.0.9"))
        how = [
            (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i4s4s", interface, local, local)),
            (socket.IPPROTO_IP, IP_TTL, struct.pack("i", ttl)),
            (socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("qq", draw.number(0, 1 << 40), draw.number(0, 10**9))),
        ]
        packet = draw.raw(draw.choice((24, 24, 24, 23, 26, 60)))
        before = len(peer.got)
        receiver.accept(packet, how[draw.byte() % 16 == 0 :], source, 10**15)
        if len(peer.got) > before:
            assert (ttl, interface, local, source) == (255, _INTERFACE, _LOCAL, _REMOTE)
            assert peer.got[-1].your_discriminator in (0, _OURS)
    assert counters.total() == datagrams
    assert counters["bfd-received"] == len(peer.got)


class Life:
    """A session, and a clock that goes forward."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.now = 10**12
        self.session = Session(_OURS, self.timers(), self.now, lambda: 0.3)

    def timers(self) -> SessionTimers:
        """Timers that the forwarder accepts."""
        interval = self.draw.number(5, 2000) * _MS
        return SessionTimers(interval, self.draw.number(5, 2000) * _MS, self.draw.number(1, 255))

    def packet(self) -> ControlPacket:
        """A packet that `decode` lets through."""
        draw = self.draw
        packet = ControlPacket(
            state=draw.choice(tuple(State)),
            my_discriminator=draw.choice((22, 23, 0xFFFFFFFF)),
            your_discriminator=_OURS,
            desired_min_tx=draw.choice(_TIMES),
            required_min_rx=draw.choice(_TIMES),
            multiplier=draw.number(1, 255),
            diagnostic=draw.number(0, 31),
            poll=draw.flag(),
            final=draw.flag(),
            demand=draw.byte() % 8 == 0,
        )
        assert decode(encode(packet)) == packet
        return packet

    def live(self) -> None:
        """Until the bytes are used up."""
        for _ in range(200):
            if not self.draw:
                return
            self.now += self.draw.choice((0, 1, _MS, 40 * _MS, 700 * _MS, 5000 * _MS, 10**13))
            self.due()
            self.happen()
            self.check()

    def due(self) -> None:
        """What the owner of a session does by the clock."""
        if self.now >= self.session.detection_due:
            self.follow(self.session.expire(self.now))
            assert self.session.state not in (State.UP, State.INIT)
        if self.now >= self.session.transmit_due:
            self.sent(self.session.transmit(self.now))
            assert self.session.transmit_due > self.now

    def happen(self) -> None:
        """One thing that happens."""
        session, now = self.session, self.now
        match self.draw.byte() % 12:
            case 0:
                self.follow(session.configure(self.timers(), now))
            case 1:
                self.follow(session.poll(now))
            case 2:
                self.follow(session.path_down(now))
                assert session.state not in (State.UP, State.INIT)
            case 3:
                self.restart()
            case 4 if self.draw.byte() % 8 == 0:
                self.follow(session.disable(now))
            case _:
                self.receive()

    def receive(self) -> None:
        """A packet arrives, perhaps some time ago."""
        was, packet = self.session.state, self.packet()
        step = self.session.receive(packet, self.now - self.draw.choice((0, 0, 1000, 30 * _MS)), self.now)
        self.follow(step)
        if packet.poll and was is not State.ADMIN_DOWN:
            assert any(sent.final for sent in step.packets), "a poll without its final"
        if was is State.ADMIN_DOWN:
            assert self.session.state is State.ADMIN_DOWN

    def restart(self) -> None:
        """Another process goes on with what this one remembered."""
        remembered = Memory.from_json(self.session.remember().to_json())
        was, self.session = self.session, Session.restore(remembered, self.timers(), self.now, lambda: 0.3)
        assert self.session.discriminator == was.discriminator
        assert self.session.state is (State.UP if was.state is State.UP else State.DOWN)

    def follow(self, step: Step) -> None:
        """Send what is to be sent."""
        if step.change is not None:
            assert step.change.state is self.session.state
        if step.round_trip is not None:
            assert step.round_trip > 0
        for packet in step.packets:
            self.sent(packet)

    def sent(self, packet: ControlPacket) -> None:
        """Whatever goes out is a packet that any other implementation would take."""
        assert decode(encode(packet)) == packet
        assert not (packet.poll and packet.final)
        if packet.state is not State.UP:
            assert packet.desired_min_tx * 1000 >= SLOW_INTERVAL

    def check(self) -> None:
        """What always holds."""
        session = self.session
        assert session.silent_since <= self.now
        if session.state is State.UP:
            assert session.remote_discriminator
            assert session.remote is not None
            assert session.detection_due < NEVER
        if session.remote is not None and session.remote.required_min_rx == 0:
            assert session.transmit_due == NEVER, "packets to a peer that wants none"
        if session.transmit_interval:
            assert session.transmit_interval >= session.timers.desired_min_tx or not session.settled
