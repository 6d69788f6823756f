"""WireGuard's peers: the kernel's as pyroute2 writes them, wireguard-go's as its socket tells them."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forwarder_fakes import FakeClock
from pyroute2.netlink.generic.wireguard import wgmsg

from hub.forwarder.health import slow_looks
from hub.forwarder.health.handshakes import Handshakes, latest, peers_in
from hub.forwarder.health.slow_looks import MTU_AGAIN, MTU_EVERY, MTU_SOON, PEERS_EVERY, SlowLooks, Tunnel
from hub.forwarder.netlink import wire, wireguard
from hub.forwarder.netlink.sockets import DumpError
from hub.forwarder.netlink.wireguard import Peer
from policies.model.path_mtu import PathMtu

ANSWER = """private_key=aa
listen_port=51820
public_key=bb
preshared_key=00
endpoint=203.0.113.7:51014
last_handshake_time_sec=1700000000
last_handshake_time_nsec=500000000
allowed_ip=0.0.0.0/0
public_key=cc
last_handshake_time_sec=0
last_handshake_time_nsec=0
errno=0

"""
FOUR = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", 51014, bytes([203, 0, 113, 7]))
SIX = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", 51014, 0, socket.inet_pton(10, "2001:db8::7"), 0)


def a_peer(endpoint: bytes, handshake: tuple[int, int]) -> bytes:
    return (
        wire.attribute(1, bytes(32))
        + wire.attribute(4, endpoint)
        + wire.attribute(6, struct.pack("=qq", *handshake))
        + wire.attribute(9, b"")
    )


def an_answer(*peers: bytes) -> bytes:
    """A message of the kernel about one interface."""
    members = b"".join(wire.attribute(number | 0x8000, peer) for number, peer in enumerate(peers))
    return struct.pack("=BBH", 0, 1, 0) + wire.attribute(2, b"wg0\0") + wire.attribute(8 | 0x8000, members)


@pytest.mark.parametrize(
    ("endpoint", "written"), [(FOUR, "203.0.113.7:51014"), (SIX, "[2001:db8::7]:51014"), (b"", None), (b"\x01", None)]
)
def test_a_peer_of_the_kernel_is_read(endpoint: bytes, written: str | None) -> None:
    (peer,) = wireguard.decode(an_answer(a_peer(endpoint, (1_700_000_000, 500_000_000))))
    assert peer == Peer(1_700_000_000.5, written)


def test_a_peer_that_never_shook_hands_has_no_handshake() -> None:
    assert wireguard.decode(an_answer(a_peer(FOUR, (0, 0))))[0].handshake_at is None


def test_pyroute2_reads_the_same_of_such_an_answer() -> None:
    data = wire.message(30, 0, an_answer(a_peer(FOUR, (1_700_000_000, 0))))
    message = wgmsg(data)
    message.decode()
    (peer,) = message.get_attr("WGDEVICE_A_PEERS")
    assert (peer.get_attr("WGPEER_A_ENDPOINT")["addr"], peer.get_attr("WGPEER_A_ENDPOINT")["port"]) == (
        "203.0.113.7",
        51014,
    )
    assert peer.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME")["tv_sec"] == 1_700_000_000


def test_pyroute2_reads_our_question_as_it_is_meant() -> None:
    message = wgmsg(wireguard.dump(30, "wg0"))
    message.decode()
    assert (message["cmd"], message["header"]["type"], message.get_attr("WGDEVICE_A_IFNAME")) == (0, 30, "wg0")


@pytest.mark.parametrize("cut", range(0, 120, 5))
def test_an_answer_that_is_cut_short_is_no_error(cut: int) -> None:
    assert len(wireguard.decode(an_answer(a_peer(FOUR, (1, 0)))[:cut])) <= 1


def test_wireguard_gos_peers_are_read_and_the_last_to_shake_hands_counts() -> None:
    assert list(peers_in(ANSWER)) == [Peer(1_700_000_000.5, "203.0.113.7:51014"), Peer(None, None)]
    assert latest(peers_in(ANSWER)) == Peer(1_700_000_000.5, "203.0.113.7:51014")
    assert latest([]) is None


@pytest.mark.parametrize(
    "text", ["", "errno=0\n\n", "public_key=", "public_key=a\nendpoint\nlast_handshake_time_sec=x\n"]
)
def test_an_odd_answer_of_wireguard_go_is_no_error(text: str) -> None:
    assert all(peer == Peer(None, None) for peer in peers_in(text))


class Kernel:
    """A netlink socket whose kernel knows WireGuard and the interface wg0, or nothing of it."""

    def __init__(self, *, knows: bool = True) -> None:
        self.knows = knows
        self.asked = 0

    def whole(self, request: bytes) -> list[tuple[int, bytes]]:
        self.asked += 1
        if not self.knows:
            raise DumpError(errno.ENOENT, "No such file or directory")
        if b"wireguard" in request:
            other = struct.pack("=BBH", 1, 2, 0) + wire.attribute(2, b"nlctrl\0") + wire.attribute(1, b"\x10\0")
            ours = struct.pack("=BBH", 1, 2, 0) + wire.attribute(2, b"wireguard\0") + wire.attribute(1, b"\x1e\0")
            return [(16, other), (16, ours)]
        if b"wg0\0" not in request:
            raise DumpError(errno.EOPNOTSUPP, "Operation not supported")
        return [(30, an_answer(a_peer(FOUR, (1_700_000_000, 0))))]


def test_interfaces_of_another_kind_and_kernels_without_wireguard_are_no_error(tmp_path: Path) -> None:
    kernel: Any = Kernel()
    found = Handshakes(lambda: kernel, tmp_path).read(["wg0", "veth0"])
    assert found == {"wg0": Peer(1_700_000_000.0, "203.0.113.7:51014")}
    without: Any = Kernel(knows=False)
    handshakes = Handshakes(lambda: without, tmp_path)
    assert handshakes.read(["wg0"]) == handshakes.read(["wg0"]) == {}
    assert without.asked == 1


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """A wireguard-go for wg1, and the socket of one that is dead for wg2."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "wg1.sock"))
    listener.listen()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "wg2.sock"))
    dead.close()

    def serve() -> None:
        with listener.accept()[0] as peer:
            assert peer.recv(100) == b"get=1\n\n"
            peer.sendall(ANSWER[:40].encode())
            peer.sendall(ANSWER[40:].encode())

    thread = threading.Thread(target=serve)
    thread.start()
    yield tmp_path
    thread.join(10)
    listener.close()


def test_wireguard_go_is_asked_by_its_socket(daemon: Path) -> None:
    kernel: Any = Kernel(knows=False)
    assert Handshakes(lambda: kernel, daemon).read(["wg1", "wg2"]) == {
        "wg1": Peer(1_700_000_000.5, "203.0.113.7:51014")
    }


class AtOnce:
    def do(self, work: Any, failed: Any) -> None:
        try:
            found = work()
        except ValueError as error:
            failed(error)
        else:
            found()


def test_another_endpoint_is_a_line_in_the_log_and_not_the_first_one() -> None:
    clock, logged = FakeClock(), list[str]()
    loop: Any = clock
    at: dict[str, Peer] = {}
    tunnel = Tunnel("bandung/fiber", "wg0", 0, "10.255.0.0", "10.255.0.1", lives=False)
    looks = SlowLooks(loop, lambda: [tunnel], lambda _names: dict(at), logged.append, lambda *_problem: None)
    aside: Any = AtOnce()
    looks._peers_aside = aside
    looks.begin()

    def seen(endpoint: str | None) -> None:
        at["wg0"] = Peer(1.0, endpoint)
        clock.run(PEERS_EVERY / 1e9)

    clock.run()
    for endpoint in ("1.2.3.4:5", "1.2.3.4:5", "6.7.8.9:5"):
        seen(endpoint)
    assert logged == ["bandung/fiber roamed from 1.2.3.4:5 to 6.7.8.9:5"]
    roamed = {"from": "1.2.3.4:5", "at": clock.now() / 1e9}
    assert looks.of("bandung/fiber") == {"wg": {"handshake_at": 1.0, "endpoint": "6.7.8.9:5", "roamed": roamed}}
    assert looks.of("bandung/lte") == {}


def test_large_packets_that_do_not_pass_are_looked_at_again_soon_once_and_then_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, looked = FakeClock(), list[float]()
    loop: Any = clock

    def measure(_tunnel: Tunnel, before: PathMtu | None) -> PathMtu:
        looked.append((clock.now() - 1_000_000_000) / 1e9)
        return PathMtu(1420, ok=False, works=1380, looks=before.looks + 1 if before is not None else 1)

    monkeypatch.setattr(slow_looks, "measure", measure)
    tunnel = Tunnel("bandung/fiber", "wg0", 3, "10.255.0.0", "10.255.0.1", lives=True)
    looks = SlowLooks(loop, lambda: [tunnel], lambda _names: {}, lambda _: None, lambda *_problem: None)
    at_once: Any = AtOnce()
    looks._peers_aside = looks._mtu_aside = at_once
    looks.begin()
    clock.run(100)
    assert looked == [0.0, MTU_AGAIN / 1e9, (MTU_AGAIN + MTU_SOON) / 1e9]
    assert looks.of("bandung/fiber") == {"mtu": {"size": 1420, "ok": False, "works": 1380, "looks": 3}}


def test_where_large_packets_pass_they_are_seldom_tried_and_again_when_the_tunnel_was_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, looked = FakeClock(), list[float]()
    loop: Any = clock

    def measure(_tunnel: Tunnel, _before: PathMtu | None) -> PathMtu:
        looked.append((clock.now() - 1_000_000_000) / 1e9)
        return PathMtu(1420, ok=True)

    monkeypatch.setattr(slow_looks, "measure", measure)
    tunnels = [Tunnel("bandung/fiber", "wg0", 3, "10.255.0.0", "10.255.0.1", lives=True)]
    looks = SlowLooks(loop, lambda: tunnels, lambda _names: {}, lambda _: None, lambda *_problem: None)
    at_once: Any = AtOnce()
    looks._peers_aside = looks._mtu_aside = at_once
    looks.begin()
    clock.run(MTU_EVERY / 1e9 + 100)
    assert looked == [0.0, MTU_EVERY / 1e9]
    tunnels[0] = replace(tunnels[0], lives=False)
    clock.run(20)
    tunnels[0] = replace(tunnels[0], lives=True)
    clock.run(20)
    assert len(looked) == 3
    assert looked[-1] == pytest.approx(MTU_EVERY / 1e9 + 120, abs=1.5)


def test_a_look_that_fails_is_a_problem_until_it_works_again_and_the_next_is_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, problems, asked = FakeClock(), dict[str, str](), list[str]()
    loop: Any = clock
    spoilt: list[Exception] = [ValueError("spoilt")]

    def problem(key: str, text: str | None, _mend: str | None) -> None:
        problems.pop(key, None)
        if text is not None:
            problems[key] = text

    def measure(_tunnel: Tunnel, _before: PathMtu | None) -> PathMtu:
        asked.append("mtu")
        for error in spoilt:
            raise error
        return PathMtu(1420, ok=True)

    def peers(_interfaces: Any) -> dict[str, Peer]:
        asked.append("peers")
        for error in spoilt:
            raise error
        return {}

    monkeypatch.setattr(slow_looks, "measure", measure)
    tunnels = [Tunnel("bandung/fiber", "wg0", 3, "10.255.0.0", "10.255.0.1", lives=True)]
    looks = SlowLooks(loop, lambda: tunnels, peers, lambda _: None, problem)
    at_once: Any = AtOnce()
    looks._peers_aside = looks._mtu_aside = at_once
    looks.begin()
    clock.run(2 * PEERS_EVERY / 1e9 + 1)
    assert problems == {
        "handshakes:failed": "asking for WireGuard's handshakes failed: ValueError: spoilt",
        "mtu-failed:bandung/fiber": "sizing the packets of bandung/fiber failed: ValueError: spoilt",
    }
    assert asked.count("peers") == 3
    spoilt.clear()
    clock.run(MTU_SOON / 1e9)
    assert problems == {}
    assert asked.count("mtu") == 2
