"""A planned stop and a new start of the whole process: neither BIRD nor we see a session end."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bfd_namespaces import Network, bird_is_up, until
from fib_namespaces import Controller, ForwarderProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bird"), reason="needs root and BIRD"),
]
RESTARTS = 5


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with Network(tmp_path) as made:
        yield made


@pytest.fixture
def forwarder(network: Network, tmp_path: Path) -> Iterator[ForwarderProcess]:
    directory = tmp_path / "state"
    directory.mkdir()
    made = ForwarderProcess(network, directory)
    try:
        made.start()
        yield made
    finally:
        made.close()


def tunnels(network: Network, method: str) -> dict[str, Any]:
    """Both tunnels, 50 ms x 3, as the controller says it."""
    specs = network.specs(0, 1, method=method)
    for spec in specs:
        spec["active"] = spec["idle"] = {"method": method, "interval_ms": 50, "multiplier": 3}
    return {"set": "tunnels", "tunnels": specs}


def classes() -> dict[str, Any]:
    order = ["solo/0", "solo/1"]
    one = {"name": "solo", "branch": "solo", "prefixes": ["10.1.0.0/24"], "order": order, "active": order[0]}
    return {"set": "classes", "classes": [{**one, "reason": "wanted", "based_on_epoch": 0}], "unreachable": []}


def bring_up(network: Network, forwarder: ForwarderProcess, method: str) -> None:
    with Controller(forwarder.socket) as controller:
        controller.say(tunnels(network, method))
        for name in ("solo/0", "solo/1"):
            controller.wait("liveness", lambda value, name=name: value["tunnel"] == name and value["state"] == "up")
        controller.say(classes())
        controller.wait("class", lambda value: value["installed"])


def restart(forwarder: ForwarderProcess) -> dict[str, Any]:
    """Stop as planned by the controller's word, start anew; the first snapshot."""
    assert forwarder.process
    with Controller(forwarder.socket) as controller:
        controller.say({"stop": "planned"})
        assert forwarder.process.wait(20) == 0
    forwarder.start()
    with Controller(forwarder.socket, "reader") as reader:
        snapshot: dict[str, Any] = reader.wait("snapshot")
    return snapshot


def answers(asker: Controller) -> int:
    """How many echo replies the forwarder has had; its newest status is among what the asker heard."""
    asker.forget()
    asker.say({"get": "status"})
    return int(asker.wait("status")["counters"].get("icmp-received", 0))


def standing(snapshot: dict[str, Any]) -> list[tuple[str, float]]:
    return [(each["state"], each["since"]) for each in snapshot["tunnels"]]


def test_no_bfd_session_drops_over_five_planned_restarts(network: Network, forwarder: ForwarderProcess) -> None:
    network.start_bird()
    bring_up(network, forwarder, "bfd")
    until("BIRD is up at 50 ms", lambda: bird_is_up(network))
    said = network.bird_states()
    with Controller(forwarder.socket, "reader") as reader:
        before = standing(reader.wait("snapshot"))
    for _ in range(RESTARTS):
        snapshot = restart(forwarder)
        assert standing(snapshot) == before
        assert [(each["active"], each["epoch"]) for each in snapshot["classes"]] == [("solo/0", 0)]
        until("BIRD is back at 50 ms", lambda: bird_is_up(network))
    with Controller(forwarder.socket, "reader") as reader:
        assert standing(reader.wait("snapshot")) == before
    assert network.bird_states() == said
    assert "moved to" not in forwarder.said()


def test_no_death_is_declared_over_five_planned_restarts_of_tunnels_watched_by_echo(
    network: Network, forwarder: ForwarderProcess
) -> None:
    bring_up(network, forwarder, "icmp")
    with Controller(forwarder.socket, "reader") as reader:
        before = standing(reader.wait("snapshot"))
    for _ in range(RESTARTS):
        assert standing(restart(forwarder)) == before
        with Controller(forwarder.socket) as asker:
            old = asker.wait("snapshot")["counters"].get("icmp-received", 0)
            until("the branch answers the new process", lambda asker=asker, old=old: answers(asker) >= old + 8)
            assert standing(asker.wait("status")) == before
    assert "moved to" not in forwarder.said()


def test_being_told_to_give_way_is_no_order_to_stop(network: Network, forwarder: ForwarderProcess) -> None:
    assert forwarder.process is not None
    forwarder.process.send_signal(signal.SIGXCPU)
    with Controller(forwarder.socket) as controller:
        controller.say({"get": "status"})
        controller.wait("status")
        forwarder.process.send_signal(signal.SIGXCPU)
        for _ in range(3):
            controller.forget()
            controller.say({"get": "status"})
            controller.wait("status")
    assert "stopping" not in forwarder.said()
    assert forwarder.stop() == 0
