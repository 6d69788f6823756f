"""WireGuard's configuration as text, by the wgconfig library (wg(8), wg-quick(8)). All of it holds private keys: pure.

What is applied at the hub is for `wg syncconf`, which changes only what differs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import wgconfig

from hub.provisioner.keys.secret import Secret


@dataclass(frozen=True, slots=True)
class HubEnd:
    """A HubEnd is the configuration of the hub's interface and of its one peer, keys included."""

    own: Secret
    port: int
    mark: int
    peer: str
    preshared: Secret | None
    allowed: tuple[str, ...]
    endpoint: str | None = None
    keepalive: int = 0


def hub_text(end: HubEnd) -> str:
    """The hub's end, for `wg syncconf`."""
    interface = {"PrivateKey": end.own.reveal(), "ListenPort": str(end.port)}
    if end.mark:
        interface["FwMark"] = str(end.mark)
    return _text(interface, end.peer, _peer(end.preshared, end.endpoint, end.allowed, end.keepalive))


def peer_text(end: HubEnd) -> str:
    """Only its peer, for `wg addconf`: what is not of the peer is not even looked at."""
    return _text(None, end.peer, _peer(end.preshared, end.endpoint, end.allowed, end.keepalive))


def _peer(preshared: Secret | None, endpoint: str | None, allowed: Iterable[str], keepalive: int) -> dict[str, str]:
    return {
        **({"PresharedKey": preshared.reveal()} if preshared else {}),
        **({"Endpoint": endpoint} if endpoint else {}),
        "AllowedIPs": ", ".join(allowed),
        **({"PersistentKeepalive": str(keepalive)} if keepalive else {}),
    }


def _text(interface: Mapping[str, str] | None, peer: str, attributes: Mapping[str, str]) -> str:
    config = wgconfig.WGConfig()
    for key, value in (interface or {}).items():
        config.add_attr(None, key, value)
    config.add_peer(peer)
    for key, value in attributes.items():
        config.add_attr(peer, key, value)
    text = io.StringIO()
    config.write_to_fileobj(text)
    if interface is not None:
        return text.getvalue()
    return text.getvalue().partition("[Peer]")[1] + text.getvalue().partition("[Peer]")[2]


def differences(before: Sequence[str] | frozenset[str], after: Sequence[str] | frozenset[str]) -> str:
    """`+ 10.1.1.0/24, - 10.2.0.0/24`, what comes first; empty where nothing differs."""
    come, go = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    return ", ".join([*(f"+ {each}" for each in come), *(f"- {each}" for each in go)])
