"""Path MTU and WireGuard peers with a real kernel: too large packets vanish in the branch, wireguard-go is asked."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

import pytest
from fib_namespaces import A, B, Controller, ForwarderProcess, Network, set_tunnels, tunnel
from made_network import run, wait_for
from wireguard_link import WireGuard

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]


def told_of(controller: Controller, name: str, what: str) -> Any:
    """What the forwarder knows of a tunnel as soon as it does."""

    def known() -> Any:
        controller.forget()
        controller.say({"get": "status"})
        status = controller.wait("status")
        return next((one.get(what) for one in status["tunnels"] if one["tunnel"] == name), None)

    return wait_for(known, f"{what} of {name}")


def test_packets_that_are_too_large_for_the_path_are_found_and_told(
    network: Network, forwarder: ForwarderProcess
) -> None:
    rule = (
        "table inet narrow { chain input { type filter hook input priority 0; iifname p1 meta length > 1380 drop; }\n }"
    )
    run("ip", "netns", "exec", network.branch, "nft", rule)
    with Controller(forwarder.socket) as controller:
        controller.say(set_tunnels())
        problem = controller.wait("problem", lambda value: value["key"] == f"mtu:{A}")
        assert problem["text"] == f"packets of 1500 bytes do not pass {A}, 1380 do"
        assert "ip link set t1 mtu 1380" in problem["mend"]
        found = told_of(controller, A, "mtu")
        assert found.pop("looks") >= 1
        assert found == {"size": 1500, "ok": False, "works": 1380}
        assert told_of(controller, B, "mtu") == {"size": 1500, "ok": True, "works": None}
        controller.say({"set": "tunnels", "tunnels": [tunnel(B, 2)]})
        assert controller.wait("cleared", lambda key: key == f"mtu:{A}")


def test_a_tunnel_of_another_kind_has_no_wireguard_peer(network: Network, forwarder: ForwarderProcess) -> None:
    with Controller(forwarder.socket) as controller:
        controller.say(set_tunnels())
        told_of(controller, A, "mtu")
        controller.forget()
        controller.say({"get": "status"})
        assert not any("wg" in one for one in controller.wait("status")["tunnels"])


@pytest.mark.skipif(not shutil.which("wireguard-go"), reason="needs wireguard-go")
def test_a_wireguard_peer_is_told_with_its_handshake_and_its_roaming(
    network: Network, wireguard: WireGuard, forwarder: ForwarderProcess
) -> None:
    timers = {"method": "icmp", "interval_ms": 500, "multiplier": 5}
    ours = tunnel(A, 3) | {"interface": wireguard.hub, "active": timers, "idle": timers}
    with Controller(forwarder.socket) as controller:
        controller.say({"set": "tunnels", "tunnels": [ours]})
        peer = told_of(controller, A, "wg")
        assert peer["endpoint"] == "192.0.2.2:51821"
        assert abs(peer["handshake_at"] - time.time()) < 300
        run("ip", "netns", "exec", network.branch, "wg", "set", wireguard.branch, "listen-port", "51822")
        wait_for(lambda: told_of(controller, A, "wg")["endpoint"] == "192.0.2.2:51822", "the new endpoint")
        wait_for(lambda: f"{A} roamed from 192.0.2.2:51821 to 192.0.2.2:51822" in forwarder.said(), "the log")
        controller.wait("status", lambda value: value["tunnels"][0]["state"] == "up")
