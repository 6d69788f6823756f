"""A hub and all that is around it in two namespaces, for packets that a firewall lets in or not.

around                                   hub
f0  198.51.100.1, 192.0.2.7, .8, .9  --  eth0             198.51.100.2
f1  203.0.113.1                      --  eth1             203.0.113.2
p0  10.255.0.1, fd00:255::1          --  wg51000-bandung  10.255.0.0, fd00:255::
p1  10.255.0.3, fd00:255::3          --  wg51001-bandung  10.255.0.2, fd00:255::2
p2  10.255.0.7                       --  gre7             10.255.0.6 (an existing tunnel)
l0  10.0.9.7, 10.0.8.7               --  lan              10.0.9.1

veth pairs stand for the tunnels: filters look at interfaces and addresses only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator

from made_network import MadeNetwork, run

DEADLINE = 20.0
_CLONE_NEWNET = 0x40000000
_LINKS = {
    "eth0": ("f0", ("198.51.100.2/24",), ("198.51.100.1/24", "192.0.2.7/32", "192.0.2.8/32", "192.0.2.9/32")),
    "eth1": ("f1", ("203.0.113.2/24",), ("203.0.113.1/24",)),
    "wg51000-bandung": ("p0", ("10.255.0.0/31", "fd00:255::/127"), ("10.255.0.1/31", "fd00:255::1/127")),
    "wg51001-bandung": ("p1", ("10.255.0.2/31", "fd00:255::2/127"), ("10.255.0.3/31", "fd00:255::3/127")),
    "gre7": ("p2", ("10.255.0.6/31",), ("10.255.0.7/31",)),
    "lan": ("l0", ("10.0.9.1/24",), ("10.0.9.7/24",)),
}
_ALSO_AROUND = ("10.0.8.7/32", "10.1.0.9/32", "10.2.0.9/32", "2001:db8:1::9/128", "2001:db8:2::9/128", "10.255.0.9/32")
HANDSHAKE = b"\x01" + bytes(147)
"""As long as the first message of a WireGuard handshake, and of its kind."""


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """What is opened or started in here is in that namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    here, there = (os.open(path, os.O_RDONLY) for path in ("/proc/thread-self/ns/net", f"/run/netns/{namespace}"))
    try:
        assert libc.setns(there, _CLONE_NEWNET) == 0
        yield
    finally:
        libc.setns(here, _CLONE_NEWNET)
        os.close(here)
        os.close(there)


class Surroundings(MadeNetwork):
    """The two namespaces, and what is sent from one to the other."""

    def __init__(self) -> None:
        unique = f"{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        self.hub, self.around = f"pm-fw-h-{unique}", f"pm-fw-a-{unique}"
        self._open: list[socket.socket] = []

    def destroy(self) -> None:
        for each in self._open:
            each.close()
        for name in (self.hub, self.around):
            run("ip", "netns", "del", name, check=False)

    def build(self) -> None:
        for name in (self.hub, self.around):
            run("ip", "netns", "add", name)
            quick = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
            loose = ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
            run("ip", "netns", "exec", name, "sysctl", "-qw", *quick, *loose)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for interface, (peer, here, there) in _LINKS.items():
            pair = ("type", "veth", "peer", "name", peer, "netns", self.around)
            run("ip", "-n", self.hub, "link", "add", interface, *pair)
            for name, link, addresses in ((self.hub, interface, here), (self.around, peer, there)):
                run("ip", "-n", name, "link", "set", link, "up")
                for address in addresses:
                    run("ip", "-n", name, "addr", "add", address, "dev", link)
        for address in _ALSO_AROUND:
            run("ip", "-n", self.around, "addr", "add", address, "dev", "lo")
        run("ip", "-n", self.hub, "addr", "add", "10.254.0.0/32", "dev", "lo")
        run("ip", "-n", self.hub, "route", "add", "default", "via", "198.51.100.1")
        run("ip", "-n", self.hub, "route", "add", "10.0.8.7", "via", "10.0.9.7")
        run("ip", "-n", self.hub, "route", "add", "10.1.0.9", "via", "10.255.0.1")
        run("ip", "-n", self.around, "route", "add", "10.254.0.0", "via", "198.51.100.2")

    # what is sent

    def opened(self, namespace: str, kind: int, protocol: int = 0, *, ipv6: bool = False) -> socket.socket:
        with inside(namespace):
            made = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, kind, protocol)
        made.setblocking(False)
        self._open.append(made)
        return made

    def sender(self, device: str, source: str, kind: int, protocol: int = 0) -> socket.socket:
        made = self.opened(self.around, kind, protocol, ipv6=":" in source)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        made.bind((source, 0))
        return made

    def receiver(self, kind: int, port: int, protocol: int = 0, *, ipv6: bool = False) -> socket.socket:
        made = self.opened(self.hub, kind, protocol, ipv6=ipv6)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind != socket.SOCK_RAW:
            made.bind(("::" if ipv6 else "0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            made.listen()
        return made

    def udp(self, device: str, source: str, to: str, port: int, payload: bytes = b"hello") -> str:
        """Why one datagram was dropped, or `arrived`."""
        receiver = self.receiver(socket.SOCK_DGRAM, port, ipv6=":" in to)
        return self._fate(receiver, self.sender(device, source, socket.SOCK_DGRAM), payload, (to, port))

    def raw(self, device: str, source: str, to: str, protocol: int, payload: bytes) -> str:
        """The same of a packet of another protocol of IP."""
        receiver = self.receiver(socket.SOCK_RAW, 0, protocol)
        return self._fate(receiver, self.sender(device, source, socket.SOCK_RAW, protocol), payload, (to, 0))

    def echo_reply(self, device: str, source: str, to: str) -> str:
        """The same of an answer to a return-path probe."""
        body = b"\x00\x00\x00\x00" + os.urandom(12)
        words = sum(struct.unpack("!8H", body))
        words = (words & 0xFFFF) + (words >> 16)
        words = (words & 0xFFFF) + (words >> 16)
        return self.raw(
            device, source, to, socket.IPPROTO_ICMP, body[:2] + struct.pack("!H", ~words & 0xFFFF) + body[4:]
        )

    def _fate(self, receiver: socket.socket, sender: socket.socket, payload: bytes, to: tuple[str, int]) -> str:
        before = self.dropped()
        sender.sendto(payload, to)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if select.select([receiver], [], [], 0.05)[0]:
                if receiver.recv(4096).endswith(payload):
                    receiver.close()
                    return "arrived"
                continue
            for reason, count in self.dropped().items():
                if count > before.get(reason, 0):
                    receiver.close()
                    return reason
        raise AssertionError(f"a packet to {to} was neither heard nor counted")

    def tcp(self, device: str, source: str, to: str, port: int) -> str:
        """Why a connection cannot be opened, or `arrived`."""
        listener = self.receiver(socket.SOCK_STREAM, port, ipv6=":" in to)
        fate, connection = self.connect(self.sender(device, source, socket.SOCK_STREAM), to, port)
        listener.close()
        connection.close()
        return fate

    def connect(self, sender: socket.socket, to: str, port: int) -> tuple[str, socket.socket]:
        """How it went, and the connection."""
        before = self.dropped()
        with contextlib.suppress(BlockingIOError):
            sender.connect((to, port))
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if select.select([], [sender], [], 0.05)[1]:
                assert sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                return "arrived", sender
            for reason, count in self.dropped().items():
                if count > before.get(reason, 0):
                    return reason, sender
        raise AssertionError(f"a connection to {to} neither came about nor was counted")

    # what filters

    def nft(self, *arguments: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.hub, "nft", *arguments, check=check)

    def dropped(self) -> dict[str, int]:
        listed = self.nft("--json", "list", "counters", "table", "inet", "pointsman-firewall", check=False)
        objects = json.loads(listed or '{"nftables": []}')["nftables"]
        return {each["counter"]["name"]: each["counter"]["packets"] for each in objects if "counter" in each}
