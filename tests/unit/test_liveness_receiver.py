"""What the shared BFD port accepts: every wrong packet has a counter and changes nothing."""

import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from hub.forwarder.liveness.arrival import IP_PKTINFO, IP_TTL, SO_TIMESTAMPNS
from hub.forwarder.liveness.bfd import BfdReceiver
from hub.forwarder.loop import Loop
from speaker.bfd.packet import ControlPacket, State, encode

OURS, THEIRS, INTERFACE = 11, 22, 7
LOCAL, REMOTE = socket.inet_aton("10.255.0.0"), "10.255.0.1"
OTHER_LOCAL, OTHER_REMOTE = socket.inet_aton("10.255.0.4"), "10.255.0.5"
GOOD = ControlPacket(State.UP, THEIRS, OURS, 50_000, 50_000, 3)
FIRST = replace(GOOD, state=State.DOWN, your_discriminator=0)


@dataclass
class Recorder:
    """A peer that writes down what it gets."""

    interface_index: int = INTERFACE
    local: bytes = LOCAL
    remote: str = REMOTE
    got: list[ControlPacket] = field(default_factory=list)

    def receive(self, packet: ControlPacket, arrived: int, now: int) -> None:
        self.got.append(packet)


def ancillary(*, ttl: int = 255, interface: int = INTERFACE, local: bytes = LOCAL) -> list[tuple[int, int, bytes]]:
    """What the kernel says of a datagram."""
    return [
        (socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("qq", 5, 0)),
        (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i4s4s", interface, local, local)),
        (socket.IPPROTO_IP, IP_TTL, struct.pack("i", ttl)),
    ]


@pytest.fixture
def receiver() -> Iterator[tuple[BfdReceiver, Recorder, Counter[str]]]:
    loop, counters, peer = Loop(), Counter[str](), Recorder()
    receiver = BfdReceiver(loop, counters)
    receiver.add(OURS, peer)
    receiver.add(OURS + 1, Recorder(local=OTHER_LOCAL, remote=OTHER_REMOTE))
    yield receiver, peer, counters
    loop.close()


@pytest.mark.parametrize("packet", [GOOD, FIRST])
def test_a_good_packet_reaches_its_session(
    receiver: tuple[BfdReceiver, Recorder, Counter[str]], packet: ControlPacket
) -> None:
    port, peer, counters = receiver
    port.accept(encode(packet), ancillary(), REMOTE, 0)
    assert peer.got == [packet]
    assert counters == {"bfd-received": 1}


@pytest.mark.parametrize(
    ("data", "how", "source", "counter"),
    [
        (b"rubbish", ancillary(), REMOTE, "too-short"),
        (b"\x00" + encode(GOOD)[1:], ancillary(), REMOTE, "version"),
        (encode(GOOD)[:3] + b"\x50" + encode(GOOD)[4:], ancillary(), REMOTE, "length"),
        (encode(replace(GOOD, multiplier=0)), ancillary(), REMOTE, "multiplier-zero"),
        (encode(replace(GOOD, my_discriminator=0)), ancillary(), REMOTE, "my-discriminator-zero"),
        (encode(replace(GOOD, your_discriminator=0)), ancillary(), REMOTE, "your-discriminator-zero"),
        (encode(replace(GOOD, your_discriminator=99)), ancillary(), REMOTE, "no-session"),
        (encode(GOOD), ancillary(ttl=254), REMOTE, "ttl"),
        (encode(GOOD), ancillary(ttl=0), REMOTE, "ttl"),
        (encode(GOOD), ancillary(), "10.255.0.3", "unknown-sender"),
        (encode(GOOD), ancillary(), OTHER_REMOTE, "address"),
        (encode(GOOD), ancillary(local=socket.inet_aton("10.0.0.1")), REMOTE, "address"),
        (encode(GOOD), ancillary(interface=8), REMOTE, "interface"),
        (encode(GOOD), [], REMOTE, "ttl"),
        (encode(FIRST), ancillary(), "10.255.0.3", "unknown-sender"),
        (b"rubbish", ancillary(), "192.0.2.1", "unknown-sender"),
        (encode(FIRST), ancillary(local=socket.inet_aton("10.0.0.1")), REMOTE, "no-session"),
    ],
)
def test_a_wrong_packet_is_counted_and_goes_nowhere(
    receiver: tuple[BfdReceiver, Recorder, Counter[str]],
    data: bytes,
    how: list[tuple[int, int, bytes]],
    source: str,
    counter: str,
) -> None:
    port, peer, counters = receiver
    port.accept(data, how, source, 0)
    assert peer.got == []
    assert counters == {f"bfd-dropped-{counter}": 1}


def test_a_removed_session_gets_nothing(receiver: tuple[BfdReceiver, Recorder, Counter[str]]) -> None:
    port, peer, counters = receiver
    port.remove(OURS, peer)
    for packet in (GOOD, FIRST):
        port.accept(encode(packet), ancillary(), REMOTE, 0)
    assert peer.got == []
    assert counters == {"bfd-dropped-unknown-sender": 2}
