"""What is looked at now and then of every tunnel: its WireGuard peer, and whether large packets pass it."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hub.control.lines import Message
from hub.forwarder.aside import MEND, Aside, failure_text
from hub.forwarder.health import path_mtu
from hub.forwarder.health.path_mtu import EchoPath
from hub.forwarder.liveness.alarm import Alarm
from hub.forwarder.loop import Loop
from hub.forwarder.netlink.wireguard import Peer
from hub.profiles import PATH_MTU_EVERY
from policies.model.path_mtu import PathMtu

PEERS_EVERY, MTU_EVERY = 5_000_000_000, PATH_MTU_EVERY // timedelta(microseconds=1) * 1000
"""Nanoseconds between two looks at the same tunnel, where large packets passed the last time: each costs bytes."""
MTU_SOON = 60_000_000_000
"""Where they did not, it is not known, or the tunnel was dead meanwhile: it may have come back by another way."""
MTU_AGAIN = 10_000_000_000
"""After the first look by which they did not, until enough have said the same to be sure."""
PEERS_PROBLEM = "handshakes:failed"
_TICK = 1_000_000_000
_GET_MTU = 0x8921
"""SIOCGIFMTU of netdevice(7)."""
_REQUEST = struct.Struct("16si20x")


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A Tunnel is what these looks need of one; `index` is its interface's, 0 while it can't carry anything."""

    name: str
    interface: str
    index: int
    local: str
    remote: str
    lives: bool


class SlowLooks:
    """A SlowLooks looks in threads, and keeps what was found; `tunnels` gives all there are now.

    `read_peers` gives the peers of interfaces. Both it and the probing of a path may take as long as they like.
    """

    def __init__(
        self,
        loop: Loop,
        tunnels: Callable[[], Sequence[Tunnel]],
        read_peers: Callable[[Sequence[str]], Mapping[str, Peer]],
        log: Callable[[str], None],
        on_problem: Callable[[str, str | None, str | None], None],
    ) -> None:
        self._loop = loop
        self._tunnels = tunnels
        self._read_peers = read_peers
        self._log = log
        self._on_problem = on_problem
        self._peers: dict[str, Peer] = {}
        self._roamed: dict[str, Message] = {}
        self._mtu: dict[str, PathMtu] = {}
        self._asked: dict[str, int] = {}
        self._were_dead: set[str] = set()
        self._peers_aside, self._mtu_aside = Aside(loop, "handshakes"), Aside(loop, "path-mtu")
        self._look_at_peers, self._look_at_mtu = Alarm(loop, self._peers_due), Alarm(loop, self._mtu_due)

    def begin(self) -> None:
        """Look from now on."""
        self._look_at_peers.due(self._loop.now())
        self._look_at_mtu.due(self._loop.now())

    def of(self, tunnel: str) -> Message:
        """`wg` and `mtu` of a tunnel, as far as they are known."""
        peer, mtu = self._peers.get(tunnel), self._mtu.get(tunnel)
        found: Message = {}
        if peer is not None:
            roamed = self._roamed.get(tunnel)
            found["wg"] = {"handshake_at": peer.handshake_at, "endpoint": peer.endpoint}
            found["wg"] |= {} if roamed is None else {"roamed": roamed}
        if mtu is not None:
            found["mtu"] = {"size": mtu.size, "ok": mtu.ok, "works": mtu.works}
            found["mtu"] |= {"looks": mtu.looks} if mtu.ok is False else {}
        return found

    # peers

    def _peers_due(self) -> None:
        tunnels = list(self._tunnels())

        def work() -> Callable[[], None]:
            found = self._read_peers([tunnel.interface for tunnel in tunnels])
            return lambda: self._found_peers(tunnels, found)

        self._peers_aside.do(work, self._peers_failed)

    def _peers_failed(self, error: Exception) -> None:
        self._on_problem(PEERS_PROBLEM, failure_text("asking for WireGuard's handshakes", error), MEND)
        self._look_at_peers.due(self._loop.now() + PEERS_EVERY)

    def _found_peers(self, tunnels: Sequence[Tunnel], found: Mapping[str, Peer]) -> None:
        self._on_problem(PEERS_PROBLEM, None, None)
        before, self._peers = self._peers, {}
        for tunnel in tunnels:
            peer = found.get(tunnel.interface)
            if peer is None:
                continue
            self._peers[tunnel.name] = peer
            was = before.get(tunnel.name)
            if was is not None and was.endpoint and peer.endpoint and was.endpoint != peer.endpoint:
                self._roamed[tunnel.name] = {"from": was.endpoint, "at": self._loop.now() / 1e9}
                self._log(f"{tunnel.name} roamed from {was.endpoint} to {peer.endpoint}")
        self._roamed = {name: roamed for name, roamed in self._roamed.items() if name in self._peers}
        self._look_at_peers.due(self._loop.now() + PEERS_EVERY)

    # path MTU

    def _mtu_due(self) -> None:
        """One tunnel after the other has its turn, spread over the time; one that has come up soon has its first."""
        now, tunnels = self._loop.now(), self._tunnels()
        self._forget({tunnel.name for tunnel in tunnels})
        self._were_dead |= {tunnel.name for tunnel in tunnels if not tunnel.lives}
        next_at = now + min(MTU_SOON // max(len(tunnels), 1), _TICK)
        asked = min(
            (tunnel for tunnel in tunnels if tunnel.lives and tunnel.index and self._is_due(tunnel.name, now)),
            key=lambda tunnel: self._asked.get(tunnel.name, 0),
            default=None,
        )
        if asked is None:
            self._look_at_mtu.due(next_at)
            return
        self._asked[asked.name] = now
        self._were_dead.discard(asked.name)
        before = self._mtu.get(asked.name)

        def work() -> Callable[[], None]:
            found = measure(asked, before)
            return lambda: self._found_mtu(asked, found, next_at)

        self._mtu_aside.do(work, lambda error: self._mtu_failed(asked, error, next_at))

    def _is_due(self, tunnel: str, now: int) -> bool:
        asked, found = self._asked.get(tunnel), self._mtu.get(tunnel)
        if asked is None:
            return True
        if found is not None and found.looks and not found.is_sure:
            return now - asked >= MTU_AGAIN
        passed = found is not None and found.ok and tunnel not in self._were_dead
        return now - asked >= (MTU_EVERY if passed else MTU_SOON)

    def _mtu_failed(self, tunnel: Tunnel, error: Exception, next_at: int) -> None:
        self._look_at_mtu.due(max(next_at, self._loop.now()))
        self._on_problem(_failed_key(tunnel.name), failure_text(f"sizing the packets of {tunnel.name}", error), MEND)

    def _found_mtu(self, tunnel: Tunnel, found: PathMtu | None, next_at: int) -> None:
        self._look_at_mtu.due(max(next_at, self._loop.now()))
        self._on_problem(_failed_key(tunnel.name), None, None)
        if found is None or (found.ok is None and tunnel.name in self._mtu):
            return
        self._mtu[tunnel.name] = found
        if found.ok is False:
            text = f"packets of {found.size} bytes do not pass {tunnel.name}, {found.works} do"
            mend = (
                f"set its MTU to {found.works} on both sides (here: ip link set {tunnel.interface} mtu {found.works})"
            )
            self._on_problem(_key(tunnel.name), text, mend)
        elif found.ok:
            self._on_problem(_key(tunnel.name), None, None)

    def _forget(self, present: set[str]) -> None:
        for name in [name for name in self._asked if name not in present]:
            del self._asked[name]
            self._were_dead.discard(name)
            self._mtu.pop(name, None)
            self._on_problem(_key(name), None, None)
            self._on_problem(_failed_key(name), None, None)


def measure(tunnel: Tunnel, before: PathMtu | None) -> PathMtu | None:
    """Whether packets of the interface's size pass the tunnel; None when it can't be tried. May take a minute."""
    try:
        size = interface_mtu(tunnel.interface)
        with EchoPath(tunnel.index, tunnel.local, tunnel.remote) as path:
            return path_mtu.find(min(size, 65_000), before, path.passes)
    except OSError:
        return None


def interface_mtu(interface: str) -> int:
    """The MTU of an interface.

    Raises:
        OSError: it is not there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        answer = fcntl.ioctl(asking, _GET_MTU, _REQUEST.pack(interface.encode(), 0))
    size: int = _REQUEST.unpack(answer)[1]
    return size


def _key(tunnel: str) -> str:
    return f"mtu:{tunnel}"


def _failed_key(tunnel: str) -> str:
    return f"mtu-failed:{tunnel}"
