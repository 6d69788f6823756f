"""What both ends of a lab's tunnels are made by: keys and secrets in the hub's own store, files for each branch."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hub.branch_router.inner import inner_script
from hub.branch_router.secrets import Secrets
from hub.branch_router.swanctl import swanctl_config
from hub.lab import strongswan
from hub.lab.branch_router import end_of, tunnel_text
from hub.lab.names import LabError, LabPlace
from hub.lab.network import HUB, Branch, Tunnel
from hub.lab.record import Lab
from hub.lab.wireguard import KeyPair, hub_config
from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.store import KeyStore


def write_tunnels(lab: Lab) -> None:
    """Write all of it. The hub makes its own ends by the same keys and secrets, which it finds where it keeps them.

    Raises:
        LabError: keys could not be made.
    """
    store = KeyStore(lab.place.keys)
    wireguard = [(branch, tunnel) for branch, tunnel in lab.network.tunnels() if tunnel.ipsec is None]
    try:
        store.make([tunnel.name for _, tunnel in wireguard])
        for branch, tunnel in wireguard:
            _write_wireguard(lab, store, branch, tunnel)
    except ProvisionError as error:
        raise LabError(f"{error}: {error.mend}") from error
    for node in lab.network.ipsec_nodes():
        strongswan.prepare(lab.place.strongswan(node), userspace=lab.userspace_esp)
    for branch in lab.network.branches:
        if branch.has_ipsec:
            _write_ipsec(lab, branch)
    if lab.network.ipsec_nodes():
        (lab.place.run / "charon.vici").symlink_to(lab.place.vici_socket(HUB))


def _write_wireguard(lab: Lab, store: KeyStore, branch: Branch, tunnel: Tunnel) -> None:
    place, keys = lab.place, store.of(tunnel.name)
    if keys is None or keys.branch is None:
        raise LabError(f"no keys were made for {tunnel.name}")
    hub = KeyPair(keys.hub.reveal(), keys.hub_public)
    far = KeyPair(keys.branch.reveal(), keys.branch_public)
    write_secret(place.tunnel_file(HUB, tunnel.hub_interface), hub_config(branch, tunnel, hub, far.public))
    text = tunnel_text(end_of(lab.network, branch), tunnel.name, far, hub.public)
    write_secret(place.tunnel_file(branch.name, tunnel.branch_interface), text)


def _write_ipsec(lab: Lab, branch: Branch) -> None:
    """The branch's connections, with secrets that are made for this lab, and the script of its inner interfaces."""
    place, end = lab.place, end_of(lab.network, branch)
    shared: dict[str, str] = {}
    for tunnel, carrier in end.ipsec():
        if carrier.secret_file is None:
            raise LabError(
                f"{tunnel.name}: the lab makes secrets and no certificates: use psk-file in a copy of the files"
            )
        shared[tunnel.name] = _secret(place, carrier.secret_file)
    directory = place.strongswan(branch.name)
    write_secret(directory / "swanctl" / "swanctl.conf", swanctl_config(end, Secrets(preshared=shared)))
    (directory / "inner.sh").write_text(inner_script(end))


def _secret(place: LabPlace, name: str) -> str:
    """The secret of this file, made at random the first time; one that lies outside the lab is only read."""
    path = place.password_file(name)
    try:
        if not path.exists() and not Path(name).is_absolute():
            write_secret(path, secrets.token_urlsafe(32) + "\n")
        return path.read_text().strip()
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}: write only its name, and the lab makes one") from error


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner may read: most of these hold a private key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
