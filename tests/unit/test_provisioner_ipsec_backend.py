"""How charon is emptied of credentials, and what it has afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ipsec_values import NETWORK, tunnel

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec import backend as backend_module
from hub.provisioner.ipsec import steps
from hub.provisioner.ipsec.backend import Backend
from hub.provisioner.ipsec.memory import recall
from hub.provisioner.ipsec.names import connection_name
from hub.provisioner.ipsec.seen import InCharon

FIBER = tunnel()
CERTIFIED = tunnel("solo/fiber", 51822, secret_file=None, key_file="solo.key")
BOTH = tuple((connection_name(NETWORK, each.tunnel), each) for each in (FIBER, CERTIFIED))
HELD = {BOTH[0][0]: b"correct horse", BOTH[1][0]: b"a private key"}


class Charon:
    """A Charon is secrets and keys by name. `when_cleared` happens as it forgets them."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.cleared = 0
        self.when_cleared: Callable[[], None] = lambda: None

    def load_secret(self, name: str, secret: bytes, _owners: tuple[str, ...]) -> None:
        self.held[name] = secret

    def load_key(self, name: str, key: bytes) -> str:
        self.held[name] = key
        return f"what charon calls {name}"

    def loaded_certificates(self) -> frozenset[str]:
        return frozenset()

    def clear_credentials(self) -> None:
        self.held, self.cleared = {}, self.cleared + 1
        self.when_cleared()


@pytest.fixture
def charon(monkeypatch: pytest.MonkeyPatch) -> Charon:
    found = Charon()

    @contextmanager
    def connected(_: Path) -> Iterator[Charon]:
        yield found

    monkeypatch.setattr(backend_module, "connected", connected)
    monkeypatch.setattr(backend_module, "look_into_charon", lambda _: InCharon())
    return found


def loaded(directory: Path) -> Backend:
    """What has loaded the secret of one tunnel and the key of another, from `secrets`."""
    secrets = directory / "secrets"
    secrets.mkdir()
    for name, text in (("bandung-fiber.psk", b"correct horse"), ("solo.key", b"a private key")):
        (secrets / name).write_bytes(text)
        (secrets / name).chmod(0o600)
    backend = Backend(directory / "vici", directory, secrets)
    for name, each in BOTH:
        backend.do(steps.LoadSecret(name, each))
    return backend


def test_a_file_that_goes_after_charon_was_emptied_leaves_no_secret_out(tmp_path: Path, charon: Charon) -> None:
    backend = loaded(tmp_path)
    before = recall(tmp_path)
    charon.when_cleared = lambda: shutil.rmtree(tmp_path / "secrets")
    backend.do(steps.ClearCredentials(NETWORK, BOTH))
    assert (charon.held, charon.cleared) == (HELD, 1)
    assert recall(tmp_path) == before


@pytest.mark.parametrize("file", ["bandung-fiber.psk", "solo.key"])
def test_charon_is_not_emptied_where_a_file_has_what_charon_never_took(
    tmp_path: Path, charon: Charon, file: str
) -> None:
    backend = loaded(tmp_path)
    (tmp_path / "secrets" / file).write_bytes(b"it may refuse this")
    with pytest.raises(ProvisionError, match=f"{file} is not what was loaded of it"):
        backend.do(steps.ClearCredentials(NETWORK, BOTH))
    assert (charon.held, charon.cleared) == (HELD, 0)
