"""Counting forwarded packets with a real kernel: exactly those, and nothing left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from fib_namespaces import A, B, Controller, ForwarderProcess, Network, set_tunnels, tunnel
from made_network import run, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]


@pytest.fixture
def network() -> Iterator[Network]:
    """What the branch sends to 198.51.100.0/24 goes by tunnel 2 to the hub, and by tunnel 1 back to the branch."""
    with Network() as made:
        run("ip", "-n", made.branch, "route", "add", "198.51.100.0/24", "via", "10.255.0.2")
        made.in_hub("ip", "route", "add", "198.51.100.0/24", "dev", "t1", "via", "10.255.0.1")
        made.in_hub("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.t2.rp_filter=0")
        run("ip", "-n", made.branch, "addr", "add", "198.51.100.1/32", "dev", "lo")
        run("ip", "-n", made.branch, "rule", "add", "iif", "p1", "lookup", "local", "pref", "0")
        yield made


def send_through(network: Network, packets: int) -> None:
    """So many packets come in by tunnel 2 and go out by tunnel 1; they are not answered."""
    where = ("-I", "10.255.0.3", "198.51.100.9")
    run(
        "ip", "netns", "exec", network.branch, "ping", "-q", "-c", str(packets), "-i", "0.01", "-W", "0.1", *where,
        check=False,
    )  # fmt: skip


def counted(controller: Controller, name: str, way: str, number: int) -> dict[str, Any]:
    """What is told of a tunnel once so many packets were counted."""

    def matches(tunnels: list[dict[str, Any]]) -> bool:
        return any(one["tunnel"] == name and one[way] == number for one in tunnels)

    return next(one for one in controller.wait("counted", matches) if one["tunnel"] == name)


def tables(network: Network) -> str:
    return network.in_hub("nft", "list", "tables")


def watching(controller: Controller) -> None:
    controller.say(set_tunnels())
    controller.wait("liveness", lambda value: value["state"] == "up")
    controller.say({"count": [A, B]})
    counted(controller, A, "in", 0)


def test_forwarded_packets_are_counted_in_each_direction_and_ours_are_not(
    network: Network, forwarder: ForwarderProcess
) -> None:
    with Controller(forwarder.socket) as controller:
        watching(controller)
        controller.wait("counted", lambda _: len([line for line in controller.heard if "counted" in line]) >= 4)
        assert counted(controller, A, "out", 0)["last_out"] is None  # while liveness asked many times over both
        send_through(network, 7)
        first, second = counted(controller, A, "out", 7), counted(controller, B, "in", 7)
        assert (first["in"], second["out"]) == (0, 0)
        assert first["last_out"] > first["since"]
        assert (first["last_in"], first["exact"]) == (None, True)
        send_through(network, 3)
        assert counted(controller, A, "out", 10)["last_out"] > first["last_out"]


def test_what_is_watched_no_more_is_counted_no_more_and_then_nothing_is_left(
    network: Network, forwarder: ForwarderProcess
) -> None:
    with Controller(forwarder.socket) as controller:
        watching(controller)
        send_through(network, 5)
        counted(controller, B, "in", 5)
        controller.say({"count": [B]})
        controller.wait("counted", lambda tunnels: [one["tunnel"] for one in tunnels] == [B])
        counted(controller, B, "in", 5)  # goes on, and does not begin anew
        controller.say({"count": []})
        wait_for(lambda: "pointsman" not in tables(network), "the table to be gone")


@pytest.mark.parametrize("ending", ["hang up", "crash"])
def test_nothing_is_left_when_nobody_listens_or_the_forwarder_dies(
    network: Network, forwarder: ForwarderProcess, ending: str
) -> None:
    with Controller(forwarder.socket) as controller:
        watching(controller)
        assert "table inet pointsman" in tables(network)
        if ending == "crash":
            forwarder.kill()
    wait_for(lambda: "pointsman" not in tables(network), "the table to be gone")


def test_a_table_that_an_older_kernel_left_is_taken_away_at_the_start(
    network: Network, forwarder: ForwarderProcess
) -> None:
    forwarder.kill()
    network.in_hub("nft", "add table inet pointsman; add chain inet pointsman forward; add table inet other")
    forwarder.start()
    wait_for(lambda: "pointsman" not in tables(network), "the table to be gone")
    assert "table inet other" in tables(network)


def test_a_firewall_that_is_loaded_anew_disturbs_nothing(network: Network, forwarder: ForwarderProcess) -> None:
    with Controller(forwarder.socket) as controller:
        watching(controller)
        send_through(network, 5)
        counted(controller, B, "in", 5)
        network.in_hub("nft", "flush ruleset")
        send_through(network, 2)
        counted(controller, B, "in", 7)


def test_an_interface_of_another_name_is_counted_from_zero(network: Network, forwarder: ForwarderProcess) -> None:
    with Controller(forwarder.socket) as controller:
        watching(controller)
        send_through(network, 5)
        counted(controller, B, "in", 5)
        controller.say({"set": "tunnels", "tunnels": [tunnel(A, 2), tunnel(B, 1)]})
        counted(controller, B, "in", 0)
        send_through(network, 4)
        assert counted(controller, A, "in", 4)["out"] == 0
