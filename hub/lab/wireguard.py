"""WireGuard's configuration files for the hub's end of a lab tunnel, written with the wgconfig library."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import wgconfig

from hub.lab.network import Branch, Tunnel


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A KeyPair is a WireGuard key and its public half, base64; the key is not shown."""

    private: str = field(repr=False)
    public: str


def hub_config(branch: Branch, tunnel: Tunnel, own: KeyPair, peer: str) -> str:
    """The hub's end: it takes the branch's prefixes and all link addresses of that branch, and nothing else.

    All of them, because the answer to a return-path probe may come back by another tunnel than the question went.
    """
    links = [*(f"{other.branch_link}/32" for other in branch.tunnels), *(f"{link}/128" for link in branch.link6s)]
    return _config(
        own,
        {"ListenPort": str(tunnel.port), "FwMark": str(tunnel.hub_mark)},
        peer,
        {},
        [*branch.prefixes, *links],
    )


def _config(
    own: KeyPair, interface: dict[str, str], peer: str, peer_attributes: dict[str, str], allowed: Sequence[str]
) -> str:
    config = wgconfig.WGConfig()
    for key, value in {"PrivateKey": own.private, **interface}.items():
        config.add_attr(None, key, value)
    config.add_peer(peer)
    for key, value in {**peer_attributes, "AllowedIPs": ", ".join(allowed)}.items():
        config.add_attr(peer, key, value)
    text = io.StringIO()
    config.write_to_fileobj(text)
    return text.getvalue()
