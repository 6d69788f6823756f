"""Removing an interface of WireGuard: what is left on the disk of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hub.provisioner.changes import ProvisionError
from hub.provisioner.wireguard import backend as backend_module
from hub.provisioner.wireguard.backend import Backend

NAME = "wg-no-such-one"


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    for ending in (".conf", ".making", ".log"):
        (tmp_path / f"{NAME}{ending}").write_text("PrivateKey = secret\n")
    return Backend(tmp_path, tmp_path / "wireguard")


def test_no_private_key_stays_on_the_disk_where_wireguard_go_does_not_end(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "_END_SECONDS", 0.01)
    (tmp_path / "wireguard").mkdir()
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "wireguard" / f"{NAME}.sock"))
        daemon.listen()
        with pytest.raises(ProvisionError, match="wireguard-go of wg-no-such-one does not end"):
            backend.remove(NAME)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{NAME}.log", "wireguard"]


def test_nothing_of_a_removed_interface_stays_on_the_disk(backend: Backend, tmp_path: Path) -> None:
    backend.remove(NAME)
    assert list(tmp_path.iterdir()) == []
