"""When the tunnels' WireGuard peers last shook hands, and from where. Blocks: not for the loop.

The kernel's interfaces are asked by netlink, those of wireguard-go by its socket (the cross-platform interface of
https://www.wireguard.com/xplatform/). An interface of another kind has neither, and that is no error.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hub.forwarder.netlink import wireguard
from hub.forwarder.netlink.sockets import GENERIC, DumpError, Requests
from hub.forwarder.netlink.wireguard import Peer

SOCKETS = Path("/var/run/wireguard")
_PATIENCE = 1.0
"""Seconds for an answer of wireguard-go."""
_LARGEST = 1 << 20
LOOK_AGAIN = 12
"""Readings after which a kernel without WireGuard is asked for it again."""


class Handshakes:
    """A Handshakes asks each interface for its peers; of several the one counts that shook hands last."""

    def __init__(self, connect: Callable[[], Requests] = lambda: Requests(GENERIC), sockets: Path = SOCKETS) -> None:
        self._connect = connect
        self._sockets = sockets
        self._netlink: Requests | None = None
        self._family: int | None = None
        self._look_in = 0

    def read(self, interfaces: Iterable[str]) -> dict[str, Peer]:
        """The peer of each interface that has one."""
        self._find_family()
        found = ((name, latest(self._peers(name))) for name in interfaces)
        return {name: peer for name, peer in found if peer is not None}

    def _peers(self, interface: str) -> list[Peer]:
        path = self._sockets / f"{interface}.sock"
        try:
            if path.is_socket():
                return list(peers_in(_ask(path)))
            if self._family is None or self._netlink is None:
                return []
            answer = self._netlink.whole(wireguard.dump(self._family, interface))
        except OSError:  # no such interface, of another kind, a daemon that died or hangs
            return []
        return [peer for _kind, body in answer for peer in wireguard.decode(body)]

    def _find_family(self) -> None:
        """The number changes when the kernel's module is loaded anew, which is when nobody has such an interface."""
        if self._look_in > 0:
            self._look_in -= 1
            return
        self._look_in = LOOK_AGAIN
        try:
            netlink = self._netlink = self._netlink or self._connect()
            answer = netlink.whole(wireguard.find_family())
        except (DumpError, OSError):
            self._family = None
            return
        families = (wireguard.family_in(body) for _kind, body in answer)
        self._family = next((number for number in families if number is not None), None)


def latest(peers: Iterable[Peer]) -> Peer | None:
    """The one that shook hands last."""
    return max(peers, key=lambda peer: peer.handshake_at or 0.0, default=None)


def peers_in(text: str) -> Iterator[Peer]:
    """The peers in an answer to `get=1`: lines of `key=value`, each peer begins with its public key."""
    for part in text.split("public_key=")[1:]:
        found = dict(line.split("=", 1) for line in part.splitlines()[1:] if "=" in line)
        yield Peer(_instant(found), found.get("endpoint") or None)


def _instant(found: dict[str, str]) -> float | None:
    seconds, rest = found.get("last_handshake_time_sec", ""), found.get("last_handshake_time_nsec", "")
    if not seconds.isdecimal() or not int(seconds):
        return None
    return int(seconds) + (int(rest) / 1e9 if rest.isdecimal() else 0.0)


def _ask(path: Path) -> str:
    """Raises OSError: nobody answers in time."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.settimeout(_PATIENCE)
        daemon.connect(str(path))
        daemon.sendall(b"get=1\n\n")
        while not answer.endswith(b"\n\n") and len(answer) < _LARGEST:
            piece = daemon.recv(1 << 16)
            if not piece:
                break
            answer += piece
    return answer.decode("ascii", "replace")
