"""What a lab is called, where its files are, and what its namespaces are called."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "POINTSMAN_LAB_HOME"
"""Environment: the directory of all labs, set when an ordinary user's lab is entered."""

ROOTS_LABS = Path("/run/pointsman-lab")
"""Where root's labs are; others may see their names."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")


class LabError(Exception):
    """Something about the lab cannot be done; the text says what, where and the mend, in one line."""


class NotUpError(LabError):
    """There is no lab of this name."""


@dataclass(frozen=True, slots=True)
class LabPlace:
    """A LabPlace is the directory of one lab and the names that belong to it, and to no other lab."""

    name: str
    home: Path

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise LabError(
                f'"{self.name}" cannot be the name of a lab: use up to 20 of a-z, 0-9 and -, for example --name second'
            )

    @property
    def directory(self) -> Path:
        """Everything of this lab: configurations, logs, the hub's sockets and state."""
        return self.home / self.name

    @property
    def record(self) -> Path:
        """The finished lab's plan; absent while it is being built or taken down."""
        return self.directory / "lab.json"

    @property
    def disturbances(self) -> Path:
        """What is cut or degraded now."""
        return self.directory / "disturbances.json"

    @property
    def lock(self) -> Path:
        """Held by whoever changes this lab; beside the directory, because that comes and goes."""
        return self.home / f"{self.name}.lock"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.directory / "log"

    @property
    def run(self) -> Path:
        """The hub's runtime directory."""
        return self.directory / "run"

    @property
    def state(self) -> Path:
        """The hub's state directory."""
        return self.directory / "state"

    @property
    def keys(self) -> Path:
        """The hub's store of WireGuard keys."""
        return self.state / "keys"

    def wireguard(self, node: str) -> Path:
        """What the node sees as /run/wireguard: wireguard-go's sockets, private to the node."""
        return self.directory / "wireguard" / node

    def tunnel_file(self, node: str, interface: str) -> Path:
        """WireGuard's configuration of one tunnel end; holds a private key."""
        return self.directory / "tunnels" / node / f"{interface}.conf"

    def bird_config(self, branch: str) -> Path:
        """The branch router's configuration."""
        return self.directory / "bird" / f"{branch}.conf"

    def bird_socket(self, branch: str) -> Path:
        """Where `birdc -s` reaches the branch's router."""
        return self.directory / "bird" / f"{branch}.ctl"

    def frr_config(self, branch: str) -> Path:
        """The branch router's configuration, where FRR routes."""
        return self.directory / "frr" / f"{branch}.conf"

    def frr(self, branch: str) -> Path:
        """What the branch sees as /run/frr: the sockets of FRR's daemons; only there where FRR routes."""
        return self.directory / "frr" / branch

    @property
    def frr_groups(self) -> Path:
        """What FRR's daemons see as /etc/group: they ask for groups that an ordinary user's lab cannot change to."""
        return self.directory / "frr" / "group"

    def strongswan(self, node: str) -> Path:
        """The configuration, the log and the sockets of the node's charon; only there where it has IPsec."""
        return self.directory / "strongswan" / node

    def vici_socket(self, node: str) -> Path:
        """Where the node's charon is configured; what `swanctl --uri unix://…` is given."""
        return self.strongswan(node) / "charon.vici"

    def password_file(self, name: str) -> Path:
        """The file of a session's password: in the hub's state directory, or anywhere if an absolute path is given."""
        return self.state / "secrets" / name

    @property
    def namespace_prefix(self) -> str:
        """What the names of this lab's namespaces begin with; the dot keeps lab `a` apart from lab `a-b`."""
        return f"pml-{self.name}."

    def namespace(self, node: str) -> str:
        """The network namespace of a node."""
        return self.namespace_prefix + node


def lab_place(name: str) -> LabPlace:
    """The place of the lab of this name, for the present user.

    Raises:
        LabError: no lab can be called so.
    """
    return LabPlace(name, labs_home(os.geteuid(), os.environ.get(HOME_VARIABLE)))


def another_users(place: LabPlace) -> str | None:
    """What to say where root has a lab of this name and the present user has none; None where that is not so."""
    root = LabPlace(place.name, ROOTS_LABS)
    if _is_root() or place.directory.exists() or not os.path.exists(root.directory):  # noqa: PTH110 - False if forbidden
        return None
    return f'the lab "{place.name}" is root\'s: use sudo'


def _is_root() -> bool:
    return os.geteuid() == 0


def labs_home(user_id: int, override: str | None) -> Path:
    """Where a user's labs are: under /run for root, else under /tmp (an ordinary user's lab hides /run from itself)."""
    if override:
        return Path(override)
    return ROOTS_LABS if user_id == 0 else Path(f"/tmp/pointsman-lab-{user_id}")  # noqa: S108 - 0700
