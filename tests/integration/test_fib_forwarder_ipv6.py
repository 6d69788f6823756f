"""The forwarder with both IP versions: a second nexthop and a second table."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fib_carrying import carrying
from fib_monitor import monitored
from fib_namespaces import PREFIX, PREFIX6, A, B, Controller, ForwarderProcess, Network, set_classes, set_tunnels
from made_network import run, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]


BOTH = [PREFIX, PREFIX6]

NEAR6 = "2001:db8:1::9"


def test_a_class_of_both_ip_versions_is_two_nexthops_in_the_kernel(network: Network, controller: Controller) -> None:
    carrying(controller, prefixes=BOTH)
    words = network.in_hub("ip", "nexthop").split()
    assert [words[place + 1] for place, word in enumerate(words) if word == "id"] == ["1347223552", "1347256320"]
    assert network.routes6("proto", "112") == [
        f"{PREFIX6} nhid 1347256320 via fd00:ff::1 dev t1 metric 100 onlink pref medium",
        f"unreachable {PREFIX6} dev lo metric 4294967295 pref medium",
    ]
    assert (network.way_to(), network.way_to(NEAR6)) == ("t1", "t1")


def test_a_silent_cut_moves_both_ip_versions(network: Network, controller: Controller, tmp_path: Path) -> None:
    carrying(controller, prefixes=BOTH)
    with monitored(network, tmp_path, "nexthop") as seen:
        network.cut(1)
        controller.wait("class", lambda value: value["epoch"] == 1 and value["installed"])
        wait_for(lambda: seen().count("dev t2") == 2, "the kernel to say so")
    assert (network.way_to(), network.way_to(NEAR6)) == ("t2", "t2")
    assert "Deleted" not in seen()


def test_links_that_go_down_and_up_are_put_right_for_ipv6_and_nothing_takes_the_default_route(
    network: Network, controller: Controller
) -> None:
    network.in_hub("ip", "-6", "route", "add", "default", "dev", "wan")
    carrying(controller, prefixes=BOTH)
    network.in_hub("ip", "link", "set", "t1", "down")
    wait_for(lambda: network.way_to(NEAR6) == "t2", "the class to move")
    network.in_hub("ip", "link", "set", "t2", "down")
    wait_for(lambda: "No route to host" in network.way_to(NEAR6), "unreachable")
    network.in_hub("ip", "link", "set", "t1", "up")
    wait_for(lambda: network.way_to(NEAR6) == "t1", "the class to come back")


def test_sigkill_and_restart_change_nothing_in_the_kernel_for_ipv6(
    network: Network, forwarder: ForwarderProcess, controller: Controller, tmp_path: Path
) -> None:
    carrying(controller, prefixes=BOTH)
    wait_for(lambda: forwarder.state.exists() and PREFIX6 in forwarder.state.read_text(), "the state file")
    with monitored(network, tmp_path, "nexthop", "route") as seen:
        forwarder.kill()
        forwarder.start()
        with Controller(forwarder.socket) as again:
            again.say(set_tunnels())
            again.say(set_classes(prefixes=BOTH))
            again.say({"get": "status"})
            assert again.wait("status")["classes"][0]["installed"]
    assert seen() == ""


def test_a_foreign_ipv6_route_is_never_touched_whether_it_was_there_first_or_came_beside_ours(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    network.in_hub("ip", "-6", "route", "add", PREFIX6, "dev", "wan", "metric", "100", "proto", "static")
    controller.say(set_tunnels())
    controller.say(set_classes(prefixes=BOTH))
    problem = controller.wait("problem", lambda value: PREFIX6 in value["text"])
    assert "is in the way of ours" in problem["text"]
    network.in_hub("ip", "-6", "route", "del", PREFIX6, "proto", "static", "metric", "100")
    forwarder.kill()
    forwarder.start()
    with Controller(forwarder.socket) as again:
        carrying(again, prefixes=BOTH)
        wait_for(lambda: forwarder.state.exists() and PREFIX6 in forwarder.state.read_text(), "the state file")
        network.in_hub("ip", "-6", "route", "append", PREFIX6, "dev", "wan", "metric", "100", "proto", "static")
        forwarder.kill()
        forwarder.start()
    with Controller(forwarder.socket) as again:
        problems = [each["text"] for each in again.wait("snapshot")["problems"]]
        assert any(PREFIX6 in text and "is in the way of ours" in text for text in problems)
        again.say(set_tunnels())
        again.say({"set": "classes", "classes": [], "unreachable": []})
        again.wait("gone")
        wait_for(lambda: not network.routes6("proto", "112"), "our routes to go")
    assert len(network.routes6(PREFIX6, "proto", "static")) == 1


def test_the_way_back_is_told_for_each_ip_version(network: Network, controller: Controller) -> None:
    carrying(controller, prefixes=BOTH)
    controller.wait("path", lambda value: (value["version"], value["tunnel"]) == (4, A))
    controller.wait("path", lambda value: (value["version"], value["tunnel"]) == (6, A))
    controller.say({"look": ["bandung"]})
    via = "fd00:ff::2"
    run("ip", "-n", network.branch, "-6", "route", "replace", "2001:db8::/48", "via", via)
    controller.wait("path", lambda value: (value["version"], value["tunnel"]) == (6, B))
    controller.forget()
    assert controller.wait("path", lambda value: value["version"] == 4)["tunnel"] == A


def test_ipv6_that_is_switched_off_is_found(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    carrying(controller, prefixes=BOTH)
    wait_for(lambda: forwarder.state.exists() and PREFIX6 in forwarder.state.read_text(), "the state file")
    forwarder.kill()
    network.in_hub("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.t2.disable_ipv6=1")
    forwarder.start()
    with Controller(forwarder.socket) as again:
        texts = [problem["text"] for problem in again.wait("snapshot")["problems"]]
    assert any("IPv6 forwarding is off" in text for text in texts)
    assert any("IPv6 is switched off on t2" in text for text in texts)
