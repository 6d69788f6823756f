"""What tests of the forwarder as a process stand on: two links, WireGuard on one, the process, and a controller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fib_namespaces import Controller, ForwarderProcess, Network
from wireguard_link import WireGuard


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        yield made


@pytest.fixture
def forwarder(network: Network, tmp_path: Path) -> Iterator[ForwarderProcess]:
    made = ForwarderProcess(network, tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def controller(forwarder: ForwarderProcess) -> Iterator[Controller]:
    with Controller(forwarder.socket) as made:
        yield made


@pytest.fixture
def wireguard(network: Network) -> Iterator[WireGuard]:
    made = WireGuard(network)
    try:
        made.build()
        yield made
    finally:
        made.remove()
