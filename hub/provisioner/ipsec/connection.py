"""A tunnel as charon's `load-conn` takes it (strongSwan, README.md of the vici plugin; swanctl.conf(5)). Pure.

Why each value is as it is: `docs/explanation/ipsec.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.provisioner.wanted import WantedIpsec
from policies.model.transport import DPD_DELAY, REPLAY_WINDOW

ANY = "%any"
EVERYTHING = ("0.0.0.0/0", "::/0")
HARMLESS = frozenset({"rekey_time", "dpd_delay", "rekey_time of the child", "replay_window"})
"""What may change without the SA being made anew: the next rekeying takes it over."""

Connection = dict[str, Any]


def connection_of(wanted: WantedIpsec, name: str, certificate: str = "", authority: str = "") -> Connection:
    """What is loaded under `name`; certificates as PEM, for those that have them. Nothing in it is secret."""
    ours: dict[str, Any] = {"auth": "psk", "id": wanted.hub_identity}
    theirs: dict[str, Any] = {"auth": "psk", "id": wanted.branch_identity}
    if wanted.secret_file is None:
        ours |= {"auth": "pubkey", "certs": [certificate]}
        theirs |= {"auth": "pubkey", "cacerts": [authority]}
    return {
        "version": str(wanted.version),
        "local_addrs": [wanted.local or ANY],
        "remote_addrs": [wanted.remote or ANY],
        "proposals": list(wanted.ike),
        "rekey_time": f"{wanted.rekey_ike}s",
        "reauth_time": "0s",
        "dpd_delay": f"{DPD_DELAY}s",
        "mobike": "no",
        "encap": "yes",
        "unique": "replace",
        "local": ours,
        "remote": theirs,
        "children": {name: _child(wanted)},
    }


def _child(wanted: WantedIpsec) -> dict[str, Any]:
    child: dict[str, Any] = {
        "mode": "tunnel",
        "esp_proposals": list(wanted.esp),
        "rekey_time": f"{wanted.rekey_child}s",
        "replay_window": str(REPLAY_WINDOW),
        "start_action": "none",
        "dpd_action": "clear",
        "close_action": "none",
    }
    if wanted.inner == "xfrm":
        number = str(wanted.number)
        ipv6 = any(":" in prefix for prefix in wanted.allowed)
        selectors = {"local_ts": list(EVERYTHING[: 1 + ipv6]), "remote_ts": list(wanted.allowed)}
        return {**child, **selectors, "if_id_in": number, "if_id_out": number}
    return {**child, "local_ts": [f"{wanted.loopback}/32"], "remote_ts": [f"{wanted.branch_loopback}/32"]}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What differs between two connections, by its name, as (before, after) in words; equal ones have nothing."""
    was, is_now = _flat(before), _flat(after)
    return {
        key: (", ".join(was.get(key, _NOTHING)), ", ".join(is_now.get(key, _NOTHING)))
        for key in sorted({*was, *is_now})
        if was.get(key) != is_now.get(key)
    }


def must_be_made_anew(changed: Mapping[str, tuple[str, str]]) -> bool:
    """Whether SAs that were made before such a change do not fit any more."""
    return not changed.keys() <= HARMLESS


def _flat(connection: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    flat: dict[str, tuple[str, ...]] = {}
    for key, value in connection.items():
        if key == "children":
            for child in value.values():
                flat |= {_CHILD.get(name, name): values for name, values in _flat(child).items()}
        elif isinstance(value, Mapping):
            flat |= {f"{_SIDE[key]} {_WORDS.get(name, name)}": values for name, values in _flat(value).items()}
        else:
            flat[key] = tuple(value) if isinstance(value, list | tuple) else (str(value),)
    return flat


_NOTHING = ("none",)
_SIDE = {"local": "the hub's", "remote": "the branch's"}
_WORDS = {"id": "identity", "auth": "authentication", "certs": "certificate", "cacerts": "authority"}
_CHILD = {"rekey_time": "rekey_time of the child"}
