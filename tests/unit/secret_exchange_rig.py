"""The hub's end of an IPsec tunnel whose secret is exchanged: files in a directory, and a charon that is pretended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ipsec_values import NETWORK, tunnel, wanting

from hub.provisioner.ipsec import backend as backends
from hub.provisioner.ipsec import rotate
from hub.provisioner.ipsec.backend import Backend
from hub.provisioner.ipsec.names import connection_name
from hub.provisioner.ipsec.rotate import SecretRotation
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.ipsec.steps import LoadSecret
from hub.provisioner.wanted import WantedIpsec

TUNNEL, FILE, OLD = "bandung/fiber", "bandung-fiber.psk", "correct horse battery staple 2026"
FIBER = tunnel(remote="198.51.100.7")
NAME = connection_name(NETWORK, TUNNEL)


@dataclass
class Charon:
    """A charon whose branch has the secret `branch`: an SA is there at once when somebody begins with that."""

    branch: bytes
    secrets: dict[str, bytes] = field(default_factory=dict)
    found: dict[int, str] = field(default_factory=dict)
    heard: bool = True
    number: int = 7
    since: str = "Nov 22"
    steps: Callable[[str], None] = lambda _: None

    def connections(self) -> frozenset[str]:
        return frozenset([NAME])

    def shared(self) -> frozenset[str]:
        return frozenset(self.secrets)

    def started(self) -> str:
        return self.since

    def load_secret(self, name: str, secret: bytes, _owners: tuple[str, ...]) -> None:
        self.steps("before loading")
        self.secrets[name] = secret
        self.steps("after loading")

    def sas(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        child = {"c": {"state": b"INSTALLED", "packets-in": b"3" if self.heard else b"0"}}
        return tuple(
            (NAME, {"uniqueid": str(number).encode(), "state": state.encode(), "child-sas": child})
            for number, state in self.found.items()
        )

    def end(self, number: int) -> None:
        self.steps("before ending")
        del self.found[number]

    def initiate(self, _name: str) -> None:
        self.steps("before beginning")
        self.begun()

    def begun(self) -> None:
        """Somebody begins: the ends authenticate each other, if they have the same secret."""
        self.number += 1
        if self.secrets.get(NAME) == self.branch:
            self.found[self.number] = "ESTABLISHED"

    def restarted(self) -> None:
        self.secrets, self.found, self.number, self.since = {}, {}, 0, "Nov 23"


@dataclass
class Site:
    """A hub's end: charon, the files of secrets, and the tunnels that are wanted."""

    charon: Charon
    backend: Backend
    files: SecretFiles
    tunnels: list[WantedIpsec]

    @property
    def rotation(self) -> SecretRotation:
        """As another process would have it: nothing is remembered but in files."""
        return SecretRotation(lambda: wanting(*self.tunnels), self.backend)

    def held(self) -> tuple[str, str | None, bytes | None]:
        """The secret in force, the new one, and the one that charon has."""
        new = self.files.staged(TUNNEL, FILE)
        return self.files.present(FILE).reveal(), new and new.reveal(), self.charon.secrets.get(NAME)

    def names(self) -> set[str]:
        return {path.name for path in self.files.directory.iterdir()}

    def branch_gets(self, secret: str | None) -> None:
        assert secret is not None
        self.charon.branch = secret.encode()


def site_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site in a directory, whose charon has the secret in force and an SA."""
    charon = Charon(OLD.encode())

    @contextmanager
    def connected(_path: Path) -> Iterator[Charon]:
        yield charon

    monkeypatch.setattr(rotate, "connected", connected)
    monkeypatch.setattr(backends, "connected", connected)
    monkeypatch.setattr(rotate, "_PAUSE", 0.0)
    state = directory / "state"
    (state / "secrets").mkdir(parents=True, mode=0o750)
    backend = Backend(directory / "vici", state, state / "secrets")
    site = Site(charon, backend, SecretFiles(state / "secrets"), [FIBER])
    write(site, FILE, OLD)
    backend.do(LoadSecret(NAME, FIBER))
    charon.begun()
    return site


def write(site: Site, file: str, text: str) -> None:
    path = site.files.directory / file
    path.write_text(text + "\n")
    path.chmod(0o600)
