"""Where things are on a hub: sockets under the runtime directory, state under the state directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/pointsman")
SYSTEM_RUN = Path("/run/pointsman")
SYSTEM_STATE = Path("/var/lib/pointsman")


def refusal_beside(socket: Path) -> Path:
    """Where the provisioner of this socket says why it does not begin."""
    return socket.with_name("provisioner.refused")


@dataclass(frozen=True, slots=True)
class Places:
    """A Places is the three directories of one running hub."""

    config: Path = SYSTEM_CONFIG
    run: Path = SYSTEM_RUN
    state: Path = SYSTEM_STATE

    @property
    def forwarder_socket(self) -> Path:
        """Where the forwarder listens."""
        return self.run / "forwarder.sock"

    @property
    def control_socket(self) -> Path:
        """Where the controller answers the command line."""
        return self.run / "control.sock"

    @property
    def provisioner_socket(self) -> Path:
        """Where the provisioner takes requests."""
        return self.run / "provisioner.sock"

    @property
    def provisioner_refusal(self) -> Path:
        """Why the provisioner does not begin, for the controller to say; there only where it does not."""
        return refusal_beside(self.provisioner_socket)

    @property
    def provisioner_state(self) -> Path:
        """What the provisioner was told last: it makes that again after a boot, before anybody asks."""
        return self.state / "provisioner.json"

    @property
    def provisioner_lock(self) -> Path:
        """Who holds it changes tunnels; nobody else does meanwhile."""
        return self.state / "provisioner.lock"

    @property
    def charon_socket(self) -> Path:
        """Where strongSwan's daemon listens, if it is this hub's own; else the system's does."""
        return self.run / "charon.vici"

    @property
    def keys(self) -> Path:
        """Where WireGuard's keys are: readable by root alone."""
        return self.state / "keys"

    def relay_socket(self, process: int = 1) -> Path:
        """Where the relay of the given ExaBGP process listens."""
        return self.run / f"exabgp-{process}.sock"

    def exabgp_config(self, process: int = 1) -> Path:
        """The configuration that Pointsman renders for the given ExaBGP process."""
        return self.run / f"exabgp-{process}.conf"

    def configured_processes(self) -> frozenset[int]:
        """The ExaBGP processes for which a configuration is there.

        Raises:
            OSError: the runtime directory cannot be read.
        """
        found = (re.fullmatch(r"exabgp-([1-9]\d*)\.conf", entry.name) for entry in self.run.iterdir())
        return frozenset(int(match[1]) for match in found if match)

    @property
    def secrets(self) -> Path:
        """Where the files of passwords are, mode 0600 each: a name in the configuration is relative to it."""
        return self.state / "secrets"

    @property
    def controller_state(self) -> Path:
        """The controller's state: one SQLite file."""
        return self.state / "controller.db"

    @property
    def forwarder_state(self) -> Path:
        """The forwarder's own small file."""
        return self.state / "forwarder.json"
