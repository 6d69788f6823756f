"""What carries a tunnel that is being left, as values of JSON: a restarted controller has it stay as it is made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any, assert_never

from policies.model.transport import (
    USUAL_TRANSPORT,
    Certificate,
    Existing,
    Inner,
    Ipsec,
    Loopbacks,
    PresharedKey,
    Transport,
    WireGuard,
)


def written_transport(transport: Transport) -> dict[str, object]:
    """A transport; secrets are named in it by their files."""
    match transport:
        case WireGuard(keepalive, preshared):
            return {"kind": "wireguard", "keepalive": keepalive / timedelta(seconds=1), "preshared": preshared}
        case Existing():
            return {"kind": "existing"}
        case Ipsec():
            return {"kind": "ipsec", **_written_ipsec(transport)}
        case _:
            assert_never(transport)


def read_transport(said: Mapping[str, Any] | None) -> Transport:
    """What `written_transport` wrote; the usual one where nothing was written.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    if said is None:
        return USUAL_TRANSPORT
    match said["kind"]:
        case "wireguard":
            return WireGuard(timedelta(seconds=said["keepalive"]), bool(said["preshared"]))
        case "existing":
            return Existing()
        case "ipsec":
            return _read_ipsec(said)
        case other:
            raise ValueError(f"a transport {str(other)[:20]} is not known here")


def _written_ipsec(transport: Ipsec) -> dict[str, object]:
    by, pair = transport.authentication, transport.loopbacks
    return {
        "authentication": [by.file] if isinstance(by, PresharedKey) else [by.file, by.key_file, by.authority],
        "identities": [transport.hub_identity, transport.branch_identity],
        "inner": transport.inner.value,
        "loopbacks": None if pair is None else [str(pair.hub), str(pair.branch)],
        "ike": list(transport.ike),
        "esp": list(transport.esp),
        "version": transport.version,
        "rekey": [each / timedelta(seconds=1) for each in (transport.rekey_ike, transport.rekey_child)],
    }


def _read_ipsec(said: Mapping[str, Any]) -> Ipsec:
    files, pair = [str(file) for file in said["authentication"]], said["loopbacks"]
    hub_identity, branch_identity = map(str, said["identities"])
    rekey_ike, rekey_child = (timedelta(seconds=each) for each in said["rekey"])
    return Ipsec(
        authentication=PresharedKey(*files) if len(files) == 1 else Certificate(*files),
        hub_identity=hub_identity,
        branch_identity=branch_identity,
        inner=Inner(said["inner"]),
        loopbacks=None if pair is None else Loopbacks(*map(IPv4Address, pair)),
        ike=tuple(map(str, said["ike"])),
        esp=tuple(map(str, said["esp"])),
        version=int(said["version"]),
        rekey_ike=rekey_ike,
        rekey_child=rekey_child,
    )
