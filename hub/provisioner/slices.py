"""Which slices there are, in the order in which they are applied; wired by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.control.places import Places
from hub.provisioner import rotation
from hub.provisioner.asks import Ask
from hub.provisioner.firewall.backend import FirewallSlice
from hub.provisioner.ipsec.backend import Backend as IpsecBackend
from hub.provisioner.ipsec.charon import SYSTEM_SOCKET
from hub.provisioner.ipsec.rotate import SecretRotation
from hub.provisioner.ipsec.slice import IpsecSlice
from hub.provisioner.kept_keys import Kept, kept_keys
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.mss.backend import Mss
from hub.provisioner.one_network import other_network
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.sysctls.backend import Sysctls
from hub.provisioner.uplinks.backend import Uplinks
from hub.provisioner.wanted import Wanted
from hub.provisioner.wireguard.backend import Backend
from hub.provisioner.wireguard.rotate import Rotation
from hub.provisioner.wireguard.seen import Machine
from hub.provisioner.wireguard.slice import WireGuardSlice


@dataclass(frozen=True, slots=True)
class Parts:
    """A Parts is what plans and applies for a hub, what else may be asked, and what listens while a process runs.

    `kept` says how old the keys of what is wanted are.
    """

    provisioner: Provisioner
    asks: Mapping[str, Ask]
    ipsec: IpsecSlice
    kept: Kept


def _is_ours_alone(socket: Path) -> bool:
    """Whether a socket lies where only this user may put one: secrets are handed to whoever listens there."""
    try:
        found = socket.resolve(strict=True)
        directory = found.parent.stat()
        return found.stat().st_uid == directory.st_uid == os.geteuid() and not directory.st_mode & 0o022
    except OSError:
        return False


def parts_of(places: Places, wanted: Callable[[], Wanted | None] = lambda: None) -> Parts:
    """All slices of a hub whose files are at these places: pins first, so that no packet leaves by another uplink.

    `wanted` is what the provisioner was told last: only of that IPsec secrets are exchanged.
    """
    state = places.state
    keys, backend, machine = KeyStore(places.keys), Backend(state / "wireguard"), Machine(state / "wireguard")
    charon = places.charon_socket if _is_ours_alone(places.charon_socket) else SYSTEM_SOCKET
    ipsec = IpsecSlice(state, places.secrets, charon)
    tunnels = (WireGuardSlice(keys, backend, machine), ipsec)
    slices = (Uplinks(), *tunnels, Sysctls(state), Mss(), FirewallSlice())
    provisioner = Provisioner(slices, places.provisioner_lock, other_network)
    secret = SecretRotation(wanted, IpsecBackend(charon, state, places.secrets))
    wireguard = Rotation(keys, backend, machine)
    asks = rotation.asks(lambda tunnel: secret if secret.has(tunnel) else wireguard, provisioner.alone)
    return Parts(provisioner, asks, ipsec, lambda wanted: kept_keys(wanted, keys, places.secrets))
