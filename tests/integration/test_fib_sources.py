"""Classes for packets from one prefix of the hub, with a real kernel: rules and tables beside the main one."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fib_monitor import monitored
from fib_namespaces import PREFIX, PREFIX6, A, B, Controller, ForwarderProcess, Network, set_tunnels
from made_network import run, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]

SERVERS, SERVERS6 = "10.0.10.0/24", "2001:db8:0:10::/64"
LAN, LAN6 = "10.0.0.0/16", "2001:db8::/48"
HERE = {"10.0.10.5": 4, "10.0.20.5": 4, "2001:db8:0:10::5": 6, "2001:db8:0:20::5": 6}
BRANCH, BRANCH6 = "10.1.0.1", "2001:db8:1::1"


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        for address, version in HERE.items():
            made.in_hub("ip", "addr", "add", f"{address}/{32 if version == 4 else 128}", "dev", "lo")
        for number in (1, 2):  # real tunnels ask for no neighbours
            there = json.loads(run("ip", "-n", made.branch, "-j", "link", "show", f"p{number}"))[0]["address"]
            made.in_hub("ip", "neigh", "add", BRANCH6, "lladdr", there, "dev", f"t{number}")
        yield made


def a_class(name: str, active: str, *sources: str, prefixes: tuple[str, ...] = (PREFIX, PREFIX6)) -> dict[str, Any]:
    return {
        "name": name,
        "branch": "bandung",
        "prefixes": list(prefixes),
        **({"sources": list(sources)} if sources else {}),
        "order": [active, B if active == A else A],
        "active": active,
        "reason": "wanted",
        "based_on_epoch": 0,
    }


ELSE, SPECIAL = a_class("bandung", A), a_class("bandung from servers", B, SERVERS, SERVERS6)


def set_classes(*classes: dict[str, Any]) -> dict[str, Any]:
    probe = {"prefixes": [LAN, LAN6], "prefer": None}
    return {"set": "classes", "classes": list(classes), "unreachable": [PREFIX, PREFIX6], "probe": probe}


def carrying(controller: Controller, *classes: dict[str, Any]) -> None:
    """Both tunnels live, the classes installed."""
    controller.say(set_tunnels())
    for name in (A, B):
        controller.wait("liveness", lambda value, name=name: value["tunnel"] == name and value["state"] == "up")
    controller.say(set_classes(*classes))
    for each in classes:
        controller.wait("class", lambda value, name=each["name"]: value["name"] == name and value["installed"])


def installed(controller: Controller, number: int) -> None:
    """So many classes are, all that there are."""

    def status() -> bool:
        controller.forget()
        controller.say({"get": "status"})
        return [each["installed"] for each in controller.wait("status")["classes"]] == [True] * number

    wait_for(status, "the classes to be installed")


def saved(forwarder: ForwarderProcess) -> None:
    wait_for(lambda: forwarder.state.exists() and '"tables"' in forwarder.state.read_text(), "the state file")


def way(network: Network, source: str, to: str = BRANCH) -> str:
    """The interface that packets from an address take."""
    said = network.in_hub("ip", "-j", "route", "get", to, "from", source)
    return str(json.loads(said)[0]["dev"])


def ways(network: Network) -> tuple[str, ...]:
    """Those of packets from the servers and from elsewhere, for IPv4 and then for IPv6."""
    return tuple(way(network, source, BRANCH if version == 4 else BRANCH6) for source, version in HERE.items())


def our_rules(network: Network) -> list[str]:
    found = network.in_hub("ip", "rule").splitlines() + network.in_hub("ip", "-6", "rule").splitlines()
    return [" ".join(line.split()) for line in found if "proto 112" in line]


def our_routes(network: Network) -> list[str]:
    shown = [network.in_hub("ip", version, "route", "show", "table", "all", "proto", "112") for version in ("-4", "-6")]
    return [line.strip() for lines in shown for line in lines.splitlines()]


def arrives_over(network: Network, source: str, to: str) -> str:
    """The tunnel over which a packet from an address of the hub comes to the branch."""
    version = socket.AF_INET if "." in to else socket.AF_INET6
    counters = ("ip", "netns", "exec", network.branch, "nft", "-j", "list", "chain", "inet", "seen", "in")
    run("ip", "netns", "exec", network.branch, "nft", "add table inet seen { chain in { type filter hook prerouting"
        " priority 0; udp dport 4444 iifname p1 counter; udp dport 4444 iifname p2 counter; }; }")  # fmt: skip
    program = (
        f"import socket; s = socket.socket({int(version)}, 2); s.bind(({source!r}, 0)); s.sendto(b'x', ({to!r}, 4444))"
    )

    def counted() -> list[int]:
        found = json.loads(run(*counters))["nftables"]
        parts = [part for each in found for part in each.get("rule", {}).get("expr", ())]
        return [part["counter"]["packets"] for part in parts if "counter" in part]

    try:
        network.in_hub("python3", "-c", program)
        wait_for(lambda: sum(counted()), "the packet")
        return {(1, 0): "t1", (0, 1): "t2"}[tuple(counted())]  # type: ignore[index]
    finally:
        run("ip", "netns", "exec", network.branch, "nft", "delete", "table", "inet", "seen")


def test_packets_from_a_source_go_their_own_way_and_all_others_as_before(
    network: Network, controller: Controller
) -> None:
    carrying(controller, ELSE, SPECIAL)
    assert our_rules(network) == [
        f"11208: from {SERVERS} lookup 112000 proto 112",
        f"11264: from {SERVERS6} lookup 112001 proto 112",
    ]
    assert ways(network) == ("t2", "t1", "t2", "t1")
    assert arrives_over(network, "10.0.10.5", BRANCH) == "t2"
    assert arrives_over(network, "10.0.20.5", BRANCH) == "t1"
    assert arrives_over(network, "2001:db8:0:10::5", BRANCH6) == "t2"


def test_forwarded_packets_follow_the_rule_too(network: Network, controller: Controller) -> None:
    carrying(controller, ELSE, SPECIAL)
    network.in_hub("ip", "addr", "add", "10.0.10.1/24", "dev", "wan")
    said = network.in_hub("ip", "-j", "route", "get", BRANCH, "from", "10.0.10.77", "iif", "wan")
    assert json.loads(said)[0]["dev"] == "t2"


def test_the_longest_source_wins_and_what_its_table_does_not_have_falls_through(
    network: Network, controller: Controller
) -> None:
    other = "10.1.128.0/24"
    wide = a_class("wide", B, LAN, prefixes=(PREFIX, other))
    carrying(controller, a_class("bandung", A, prefixes=(PREFIX, other)), wide, a_class("narrow", A, SERVERS))
    assert (way(network, "10.0.10.5"), way(network, "10.0.20.5")) == ("t1", "t2")
    assert way(network, "10.0.10.5", "10.1.128.1") == "t2"  # not in the narrow table, but in the wide one
    assert way(network, "192.0.2.1", "10.1.128.1") == "t1"


def test_a_silent_cut_moves_a_class_of_a_source_by_its_nexthops_alone(
    network: Network, controller: Controller, tmp_path: Path
) -> None:
    carrying(controller, ELSE, SPECIAL)
    with monitored(network, tmp_path, "nexthop", "rule") as seen:
        network.cut(2)
        controller.wait("class", lambda value: value["name"] == SPECIAL["name"] and value["epoch"] == 1)
        wait_for(lambda: seen().count("dev t1") == 2, "the kernel to say so")
    assert ways(network) == ("t1", "t1", "t1", "t1")
    assert "Deleted" not in seen()
    assert "lookup" not in seen()


def test_with_its_links_down_a_source_goes_as_the_others_do(network: Network, controller: Controller) -> None:
    only_b = {**SPECIAL, "order": [B]}
    carrying(controller, ELSE, only_b)
    network.in_hub("ip", "link", "set", "t2", "down")
    wait_for(lambda: ways(network) == ("t1", "t1", "t1", "t1"), "the main table to answer")
    network.in_hub("ip", "link", "set", "t2", "up")
    wait_for(lambda: ways(network)[0] == "t2", "the class to come back")


@pytest.mark.parametrize("state_file", ["kept", "lost"])
def test_sigkill_and_restart_change_neither_rules_nor_tables(
    network: Network, forwarder: ForwarderProcess, controller: Controller, tmp_path: Path, state_file: str
) -> None:
    carrying(controller, SPECIAL, ELSE)
    saved(forwarder)
    with monitored(network, tmp_path, "nexthop", "route", "rule") as seen:
        forwarder.kill()
        if state_file == "lost":
            forwarder.state.unlink()
        forwarder.start()
        with Controller(forwarder.socket) as again:
            states = again.wait("snapshot")["classes"]
            for line in (set_tunnels(), set_classes(SPECIAL, ELSE)):
                again.say(line)
            installed(again, 2)
    assert [each.get("sources") for each in states] == ([] if state_file == "lost" else [[SERVERS, SERVERS6], None])
    assert seen() == ""
    assert ways(network) == ("t2", "t1", "t2", "t1")


def test_a_planned_stop_leaves_rules_and_tables(
    network: Network, forwarder: ForwarderProcess, controller: Controller, tmp_path: Path
) -> None:
    carrying(controller, ELSE, SPECIAL)
    with monitored(network, tmp_path, "nexthop", "route", "rule") as seen:
        assert forwarder.stop() == 0
    assert seen() == ""
    assert ways(network) == ("t2", "t1", "t2", "t1")


def test_leftovers_of_ours_go_with_the_controllers_set_and_not_before(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    forwarder.kill()
    leftovers = ("ip rule add from 10.0.77.0/24 lookup 112009 priority 11208 proto 112",
                 "ip route add unreachable 10.1.77.0/24 table 112009 proto 112 metric 100",
                 "ip route add unreachable 10.1.78.0/24 table 112010 proto 112 metric 100",
                 "ip route add unreachable 10.1.79.0/24 table 112020 proto static")  # fmt: skip
    for command in leftovers:
        network.in_hub(*command.split())
    forwarder.start()
    with Controller(forwarder.socket) as again:
        again.wait("snapshot")
        assert len(our_rules(network)) == 1
        assert len(our_routes(network)) == 2
        carrying(again, ELSE, SPECIAL)
        wait_for(lambda: len(our_rules(network)) == 2, "the rule to go")
        wait_for(lambda: not any("10.1.7" in line for line in our_routes(network)), "the routes to go")
    assert "10.1.79.0/24" in network.in_hub("ip", "route", "show", "table", "112020")


@pytest.mark.parametrize("version", ["-4", "-6"])
def test_a_rule_that_somebody_deletes_is_put_back(network: Network, controller: Controller, version: str) -> None:
    carrying(controller, ELSE, SPECIAL)
    before = our_rules(network)
    priority = "11208" if version == "-4" else "11264"
    network.in_hub("ip", version, "rule", "del", "priority", priority)
    wait_for(lambda: our_rules(network) == before, "the rule to come back")


def test_removal_leaves_the_rules_of_others_and_nothing_of_ours(
    network: Network, controller: Controller, tmp_path: Path
) -> None:
    network.in_hub("ip", "rule", "add", "from", SERVERS, "lookup", "77", "priority", "11208", "proto", "static")
    network.in_hub("ip", "rule", "add", "from", SERVERS, "lookup", "112000", "priority", "11300", "proto", "static")
    carrying(controller, ELSE, SPECIAL)
    with monitored(network, tmp_path, "route", "rule") as seen:
        controller.say(set_classes(ELSE))
        controller.wait("gone", lambda name: name == SPECIAL["name"])
        wait_for(lambda: seen().count("Deleted") == 4, "the rules and routes to go")
    assert our_rules(network) == []
    assert not any("table 112" in line for line in our_routes(network))
    assert network.in_hub("ip", "rule").count("static") == 2
    assert ways(network) == ("t1", "t1", "t1", "t1")
    order = ["rule" if "lookup" in line else "route" for line in seen().splitlines()]
    assert order == ["rule", "rule", "route", "route"]


def test_a_rule_of_another_program_before_ours_is_never_touched_and_is_named(
    network: Network, controller: Controller
) -> None:
    network.in_hub("ip", "rule", "add", "from", SERVERS, "lookup", "112000", "priority", "11208", "proto", "static")
    wait_for(lambda: network.in_hub("ip", "rule").count("112000") == 1, "the rule")
    carrying(controller, ELSE, SPECIAL)
    problem = controller.wait("problem", lambda value: "a rule of another program" in value["text"])
    assert f"priority 11208, from {SERVERS} lookup 112000, protocol static" in problem["text"]
    assert f"ip -4 rule del priority 11208 from {SERVERS} lookup 112000" in problem["mend"]
    assert our_rules(network)[0] == f"11208: from {SERVERS} lookup 112001 proto 112"  # 112000 was in use
    assert network.in_hub("ip", "rule").count("static") == 1


def test_a_route_of_another_program_in_our_table_is_never_touched_and_is_named(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    carrying(controller, ELSE, SPECIAL)
    saved(forwarder)
    network.in_hub("ip", "route", "add", "unreachable", "10.1.0.128/25", "table", "112000", "proto", "static")
    forwarder.kill()
    forwarder.start()
    with Controller(forwarder.socket) as again:
        texts = [each["text"] for each in again.wait("snapshot")["problems"]]
        assert any("are in table 112000" in text and "10.1.0.128/25 (protocol static" in text for text in texts)
        for line in (set_tunnels(), set_classes(ELSE, SPECIAL)):
            again.say(line)
        installed(again, 2)
    assert "10.1.0.128/25" in network.in_hub("ip", "route", "show", "table", "112000")


def test_a_class_gets_and_loses_its_source_without_a_packet_that_has_no_way(
    network: Network, controller: Controller
) -> None:
    carrying(controller, ELSE)
    controller.say(set_classes(ELSE, SPECIAL))
    controller.wait("class", lambda value: value["name"] == SPECIAL["name"] and value["installed"])
    assert ways(network) == ("t2", "t1", "t2", "t1")
    controller.say({"order": a_class(SPECIAL["name"], B, "10.0.20.0/24")})
    controller.wait("class", lambda value: value.get("sources") == ["10.0.20.0/24"] and value["installed"])
    wait_for(lambda: ways(network) == ("t1", "t2", "t1", "t1"), "the rules to change")
