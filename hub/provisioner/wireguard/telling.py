"""What may be told of a tunnel: nothing of it is secret. Pure."""

from __future__ import annotations

from typing import Any

from hub.provisioner.keys.store import KeyAge
from hub.provisioner.wireguard.interfaces import Interface, Seen


def facts_of(name: str, seen: Seen, age: KeyAge | None, now: float) -> dict[str, Any]:
    """The facts of the tunnel whose interface has this name; those that do not apply are left out.

    `interface`, `present`, `up`, `mtu`, `addresses`, `made_by` (`kernel`, `wireguard-go` or a kind of link),
    `listens_on` (a port), `mark`, `public_key` (the hub's), `peer` (the branch's), `endpoint`, `handshake_age` (s),
    `received` and `sent` (bytes), `key_age` (s), `key_fault`, `branch_made_its_key`, `preshared`, `exchanging_keys`
    (s, since when). That an endpoint roamed, and from where, the forwarder tells.
    """
    interface = seen.interfaces.get(name)
    return {
        "interface": name,
        "present": interface is not None,
        **_link(interface),
        **_keys(age, now),
        **_peer(interface, now),
    }


def _link(interface: Interface | None) -> dict[str, Any]:
    if interface is None:
        return {}
    return {
        "up": interface.up,
        "mtu": interface.mtu,
        "addresses": sorted(interface.addresses),
        "made_by": interface.made_by,
    }


def _peer(interface: Interface | None, now: float) -> dict[str, Any]:
    device = interface.device if interface is not None else None
    if device is None or not device.peers:
        return {} if device is None else {"listens_on": device.port}
    peer = max(device.peers, key=lambda each: each.handshake_at)
    return {
        "listens_on": device.port,
        "mark": device.mark,
        "peer": peer.public,
        "endpoint": peer.endpoint,
        "handshake_age": round(max(0.0, now - peer.handshake_at), 1) if peer.handshake_at else None,
        "received": peer.received,
        "sent": peer.sent,
    }


def _keys(age: KeyAge | None, now: float) -> dict[str, Any]:
    if age is None:
        return {}
    if age.fault is not None:
        return {"key_fault": age.fault}
    facts: dict[str, Any] = {
        "public_key": age.hub_public,
        "key_age": None if age.made is None else round(max(0.0, now - age.made)),
        "branch_made_its_key": age.branch_made_its_own,
        "preshared": age.preshared,
    }
    if age.exchanging_since is not None:
        facts["exchanging_keys"] = round(max(0.0, now - age.exchanging_since))
    return facts
