"""The sockets of single-hop BFD (RFC 5881): one that receives for all sessions, one a session that sends."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from hub.forwarder.liveness import arrival
from hub.forwarder.liveness.arrival import Ancillary, Arrivals
from hub.forwarder.loop import Loop
from speaker.bfd.packet import BadPacket, ControlPacket, decode, encode

PORT = 3784
_SOURCE_PORTS = range(49152, 65536)
_TTL = 255
_CS6 = 0xC0
_LARGEST_PACKET = 128
_RECEIVE_BUFFER = 1 << 20
_SEND_ATTEMPTS = 64
_SO_ATTACH_FILTER, _SO_MEMINFO, _DROPS = 26, 55, 8
_NETWORK_HEADER = 0xFFF00000
_TTL_FILTER = (
    (0x30, 0, 0, _NETWORK_HEADER + 8),  # load the byte with the TTL
    (0x15, 0, 1, _TTL),  # go on if it is 255, else skip one
    (0x06, 0, 0, 0xFFFFFFFF),  # take the whole packet
    (0x06, 0, 0, 0),  # drop it
)
"""Classic BPF (linux/filter.h) as (code, jump if true, jump if false, operand): only packets that no router has passed
on (RFC 5881 section 5). A flood from afar ends in the kernel, and doesn't wake us."""


class Peer(Protocol):
    """A Peer is who packets are for: one session and where its packets must come from."""

    interface_index: int
    local: bytes
    remote: str

    def receive(self, packet: ControlPacket, arrived: int, now: int) -> None:
        """Take a packet that passed all checks."""


class BfdReceiver:
    """A BfdReceiver owns UDP port 3784 and hands every good packet to its session."""

    def __init__(self, loop: Loop, counters: Counter[str]) -> None:
        self._loop = loop
        self._counters = counters
        self._arrivals = Arrivals("bfd", _LARGEST_PACKET, counters, self.accept)
        self._socket: socket.socket | None = None
        self._by_discriminator: dict[int, Peer] = {}
        self._by_addresses: dict[tuple[str, bytes], Peer] = {}
        self._sources: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether the port is ours."""
        return self._socket is not None

    def open(self) -> None:
        """Take the port.

        Raises:
            OSError: it is taken by another (EADDRINUSE), or may not be taken.
        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            arrival.request(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            _attach_filter(sock)
            sock.bind(("", PORT))
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._loop.watch(sock.fileno(), self.drain)

    def close(self) -> None:
        """Give the port back."""
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def add(self, discriminator: int, peer: Peer) -> None:
        """Packets to this discriminator, or from this address to our address with no discriminator, are this peer's."""
        self._by_discriminator[discriminator] = peer
        self._by_addresses[peer.remote, peer.local] = peer
        self._sources[peer.remote] += 1

    def remove(self, discriminator: int, peer: Peer) -> None:
        """Know this peer no more."""
        if self._by_discriminator.pop(discriminator, None) is not None:
            self._sources[peer.remote] -= 1
            self._sources += Counter()  # forgets those of whom no session is left
        if self._by_addresses.get((peer.remote, peer.local)) is peer:
            del self._by_addresses[peer.remote, peer.local]

    def knows(self, discriminator: int) -> bool:
        """Whether the discriminator is taken."""
        return discriminator in self._by_discriminator

    def drain(self) -> None:
        """Read all that has arrived; what goes on arriving is left to the next round."""
        if self._socket is not None:
            self._arrivals.drain(self._socket)

    def count_drops(self) -> None:
        """Count what the kernel dropped for us: packets of another TTL, or more than the buffer holds."""
        if self._socket is not None:
            memory = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS + 1))
            self._counters["bfd-dropped-by-kernel"] = struct.unpack_from("I", memory, 4 * _DROPS)[0]

    def accept(self, data: bytes, ancillary: Ancillary, source: str, now: int) -> None:
        """Take one datagram: to its session, or to the counter that says what is wrong with it."""
        if source not in self._sources:
            self._counters["bfd-dropped-unknown-sender"] += 1
            return
        packet = decode(data)
        if isinstance(packet, BadPacket):
            self._counters[f"bfd-dropped-{packet.value}"] += 1
            return
        how = arrival.read(ancillary)
        peer = self._find(packet, source, how.destination)
        why = _wrong(peer, source, how)
        if peer is None or why:
            self._counters[f"bfd-dropped-{why}"] += 1
            return
        self._counters["bfd-received"] += 1
        peer.receive(packet, self._arrivals.clock.arrived(how.stamp_ns, now), now)

    def _find(self, packet: ControlPacket, source: str, destination: bytes) -> Peer | None:
        if packet.your_discriminator:
            return self._by_discriminator.get(packet.your_discriminator)
        return self._by_addresses.get((source, destination))


def _attach_filter(sock: socket.socket) -> None:
    instructions = b"".join(struct.pack("HBBI", *each) for each in _TTL_FILTER)
    program = ctypes.create_string_buffer(instructions)
    address = ctypes.addressof(program)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_TTL_FILTER), address))


def _wrong(peer: Peer | None, source: str, how: arrival.Arrival) -> str:
    """Why a packet is not for this peer (RFC 5881 sections 3 and 5); empty if it is."""
    if how.ttl != _TTL:
        return "ttl"
    if peer is None:
        return "no-session"
    if source != peer.remote or how.destination != peer.local:
        return "address"
    if how.interface != peer.interface_index:
        return "interface"
    return ""


class BfdSender:
    """A BfdSender is the sending socket of one session; when its interface is missing, it tries again each time."""

    def __init__(self, interface: str, local: str, remote: str, discriminator: int, counters: Counter[str]) -> None:
        self._interface = interface
        self._local = local
        self._destination = (remote, PORT)
        self._first_port = discriminator % len(_SOURCE_PORTS)
        self._counters = counters
        self._socket: socket.socket | None = None
        self._last: tuple[ControlPacket | None, bytes] = (None, b"")

    def send(self, packet: ControlPacket) -> bool:
        """Send, and whether the kernel took it. A failure is counted, and the socket made anew for the next packet."""
        if self._last[0] is not packet:
            self._last = (packet, encode(packet))
        try:
            if self._socket is None:
                self._socket = self._open()
            self._socket.sendto(self._last[1], self._destination)
        except OSError as error:
            self._counters[f"bfd-send-{errno.errorcode.get(error.errno or 0, 'error')}"] += 1
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                self.close()
            return False
        self._counters["bfd-sent"] += 1
        return True

    def close(self) -> None:
        """Give back the socket; `send` makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CS6)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            _bind(lambda port: sock.bind((self._local, port)), self._first_port)
        except OSError:
            sock.close()
            raise
        return sock


def _bind(bind: Callable[[int], None], first: int) -> None:
    """Bind to the first free source port. It follows from the discriminator, so that a restart finds the same one."""
    for attempt in range(_SEND_ATTEMPTS):
        try:
            bind(_SOURCE_PORTS[(first + attempt * 251) % len(_SOURCE_PORTS)])
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise OSError(errno.EADDRINUSE, "no free UDP source port")
