"""The forwarder as a process, with a real kernel: veths stand for tunnels, their far ends answer echo requests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fib_carrying import carrying
from fib_monitor import monitored
from fib_namespaces import PREFIX, A, B, Controller, ForwarderProcess, Network, order, set_classes, set_tunnels
from made_network import wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]


def test_orders_become_what_iproute2_shows(network: Network, controller: Controller) -> None:
    carrying(controller)
    # A veth pair resolves addresses, as VXLAN does: the gateway is named. A WireGuard tunnel has no need of one.
    nexthop = "id 1347223552 via 10.255.0.1 dev t1 scope link proto 112 onlink"
    assert network.in_hub("ip", "nexthop").split() == nexthop.split()
    lines = network.in_hub("ip", "route", "show", "proto", "112").splitlines()
    assert [line.strip() for line in lines] == [
        f"{PREFIX} nhid 1347223552 via 10.255.0.1 dev t1 metric 100 onlink",
        f"unreachable {PREFIX} metric 4294967295",
    ]
    assert network.way_to() == "t1"


def test_a_silent_cut_moves_a_thousand_prefixes_by_one_message(
    network: Network, controller: Controller, tmp_path: Path
) -> None:
    prefixes = [f"10.{100 + number // 256}.{number % 256}.0/24" for number in range(1000)]
    carrying(controller, prefixes=prefixes)
    with monitored(network, tmp_path, "nexthop") as seen:
        network.cut(1)
        moved = controller.wait("class", lambda value: value["epoch"] == 1)
        wait_for(lambda: "dev t2" in seen(), "the kernel to say so")
    assert (moved["active"], moved["installed"]) == (B, True)
    assert "bandung/fiber is down: " in moved["reason"]
    assert network.way_to("10.103.200.1") == "t2"
    assert seen().count("id 1347223552") == 1
    assert "Deleted" not in seen()


def test_a_stale_order_is_refused_and_a_fresh_one_brings_traffic_back(network: Network, controller: Controller) -> None:
    carrying(controller)
    network.cut(1)
    controller.wait("class", lambda value: value["epoch"] == 1)
    controller.forget()
    network.heal(1)
    controller.wait("liveness", lambda value: value["tunnel"] == A and value["state"] == "up")
    assert network.way_to() == "t2"
    controller.say({"order": order(epoch=0)})
    assert controller.wait("refused")["epoch"] == 1
    assert network.way_to() == "t2"
    controller.say({"order": order(epoch=1)})
    controller.wait("class", lambda value: value["active"] == A and value["epoch"] == 1)
    assert network.way_to() == "t1"


def test_with_both_tunnels_cut_nothing_takes_the_default_route(network: Network, controller: Controller) -> None:
    carrying(controller)
    network.cut(1)
    network.cut(2)
    controller.wait("liveness", lambda value: value["tunnel"] == A and value["state"] == "down")
    controller.wait("liveness", lambda value: value["tunnel"] == B and value["state"] == "down")
    assert network.way_to() in {"t1", "t2"}
    network.in_hub("ip", "link", "set", "t1", "down")
    network.in_hub("ip", "link", "set", "t2", "down")
    wait_for(lambda: "No route to host" in network.way_to(), "unreachable")
    network.in_hub("ip", "link", "set", "t1", "up")
    network.heal(1)
    wait_for(lambda: network.way_to() == "t1", "the class to come back")


def test_a_link_that_goes_down_and_up_is_put_right(network: Network, controller: Controller) -> None:
    carrying(controller)
    network.in_hub("ip", "link", "set", "t1", "down")
    wait_for(lambda: network.way_to() == "t2", "the class to move")
    assert len(network.routes("proto", "112")) == 2
    network.in_hub("ip", "link", "set", "t1", "up")
    network.in_hub("ip", "link", "set", "t2", "down")
    wait_for(lambda: network.way_to() == "t1", "the class to move back")


def test_a_tunnel_that_is_deleted_and_made_anew_is_used_again(network: Network, controller: Controller) -> None:
    carrying(controller)
    network.in_hub("ip", "link", "del", "t2")
    controller.wait("problem", lambda value: "interface t2 of bandung/wireless is not there" in value["text"])
    controller.wait("liveness", lambda value: value["tunnel"] == B and value["state"] == "down")
    controller.forget()
    network.add_tunnel(2)
    controller.wait("cleared", lambda value: value == "check:interface:t2")
    controller.wait("liveness", lambda value: value["tunnel"] == B and value["state"] == "up")
    network.cut(1)
    wait_for(lambda: network.way_to() == "t2", "the class to move")


def test_sigkill_and_restart_change_nothing_in_the_kernel(
    network: Network, forwarder: ForwarderProcess, controller: Controller, tmp_path: Path
) -> None:
    carrying(controller)
    wait_for(lambda: forwarder.state.exists() and PREFIX in forwarder.state.read_text(), "the state file")
    with monitored(network, tmp_path, "nexthop", "route") as seen:
        forwarder.kill()
        forwarder.start()
        with Controller(forwarder.socket) as again:
            state = again.wait("snapshot")["classes"][0]
            again.say(set_tunnels())
            again.say(set_classes())
            again.say({"get": "status"})
            again.wait("status")
        assert network.way_to() == "t1"
    assert (state["active"], state["installed"], state["nexthop"]) == (A, True, 1347223552)
    assert seen() == ""


def test_without_a_controller_after_a_restart_a_death_is_still_survived(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    carrying(controller)
    wait_for(lambda: forwarder.state.exists() and PREFIX in forwarder.state.read_text(), "the state file")
    forwarder.kill()
    forwarder.start()
    with Controller(forwarder.socket, "reader") as reader:
        assert [each["state"] for each in reader.wait("snapshot")["tunnels"]] == ["up", "up"]
        network.cut(1)
        wait_for(lambda: network.way_to() == "t2", "the class to move")


def test_a_death_while_the_forwarder_was_dead_is_found_after_its_restart(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    carrying(controller)
    wait_for(lambda: forwarder.state.exists() and PREFIX in forwarder.state.read_text(), "the state file")
    forwarder.kill()
    network.in_hub("ip", "link", "set", "t1", "down")
    assert "No route to host" in network.way_to()
    forwarder.start()
    wait_for(lambda: network.way_to() == "t2", "the class to move")


@pytest.mark.parametrize("content", [b"", b"{nonsense", b'{"pointsman": 99}'])
def test_a_spoiled_state_file_is_a_problem_and_the_kernel_is_adopted_all_the_same(
    network: Network, forwarder: ForwarderProcess, controller: Controller, tmp_path: Path, content: bytes
) -> None:
    carrying(controller)
    wait_for(lambda: forwarder.state.exists() and PREFIX in forwarder.state.read_text(), "the state file")
    forwarder.kill()
    forwarder.state.write_bytes(content)
    with monitored(network, tmp_path, "nexthop", "route") as seen:
        forwarder.start()
        with Controller(forwarder.socket) as again:
            problems = again.wait("snapshot")["problems"]
            assert any("is not used" in problem["text"] for problem in problems)
            assert network.way_to() == "t1"
            again.say(set_tunnels())
            again.say(set_classes())
            again.wait("class", lambda value: value["installed"])
    assert seen() == ""


def test_a_planned_stop_exits_well_and_removes_nothing(
    network: Network, forwarder: ForwarderProcess, controller: Controller, tmp_path: Path
) -> None:
    carrying(controller)
    with monitored(network, tmp_path, "nexthop", "route") as seen:
        assert forwarder.stop() == 0
    assert seen() == ""
    assert network.way_to() == "t1"
    assert PREFIX in forwarder.state.read_text()
    assert not forwarder.socket.exists()


def test_a_foreign_route_is_never_touched_and_is_reported(network: Network, controller: Controller) -> None:
    network.in_hub("ip", "route", "add", PREFIX, "dev", "wan", "metric", "100", "proto", "static")
    controller.say(set_tunnels())
    controller.say(set_classes())
    problem = controller.wait("problem", lambda value: "in the way" in value["text"])
    assert "protocol static, metric 100" in problem["text"]
    assert len(network.routes(PREFIX, "proto", "static")) == 1
    controller.say({"set": "classes", "classes": [], "unreachable": []})
    controller.wait("gone")
    wait_for(lambda: not network.routes("proto", "112"), "our routes to go")
    assert len(network.routes(PREFIX, "proto", "static")) == 1


def test_routes_that_somebody_deletes_are_put_back(network: Network, controller: Controller) -> None:
    carrying(controller)
    network.in_hub("ip", "nexthop", "del", "id", "1347223552")
    wait_for(lambda: network.way_to() == "t1", "the routes to come back")


def test_a_controller_of_a_newer_version_gets_a_clear_no(forwarder: ForwarderProcess) -> None:
    with Controller(forwarder.socket, version=2) as newer:
        assert "speaks version 1 and the other side version 2: upgrade the forwarder" in newer.wait("error")
    with Controller(forwarder.socket) as fine:
        fine.wait("snapshot")


def test_a_second_controller_and_a_second_forwarder_are_refused(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    carrying(controller)
    with Controller(forwarder.socket) as second:
        assert "a controller is connected already" in second.wait("error")
    rival = ForwarderProcess(network, forwarder.directory)
    rival.start()
    assert rival.process and rival.process.wait(10) == 1
    assert "a forwarder is running already" in rival.said()
    rival.close()


def test_bad_lines_change_nothing(network: Network, forwarder: ForwarderProcess, controller: Controller) -> None:
    carrying(controller)
    for line in ({"set": "classes"}, {"order": order(prefixes=["x"])}, {"order": order(active="a/b")}, {"x": 1}):
        controller.say(line)
    controller.wait("error", lambda text: "no such command" in text)
    controller.send(b"\xff\x00nonsense\n")
    controller.wait("error", lambda text: "not a line of JSON" in text)
    assert network.way_to() == "t1"
    with Controller(forwarder.socket, "reader") as reader:
        assert reader.wait("snapshot")["counters"]["lines refused"] == 5


def test_disabled_forwarding_and_strict_filtering_are_found_at_the_start(
    network: Network, forwarder: ForwarderProcess, controller: Controller
) -> None:
    carrying(controller)
    wait_for(lambda: forwarder.state.exists() and PREFIX in forwarder.state.read_text(), "the state file")
    forwarder.kill()
    network.in_hub("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv4.conf.t2.rp_filter=1")
    forwarder.start()
    with Controller(forwarder.socket) as again:
        texts = [problem["text"] for problem in again.wait("snapshot")["problems"]]
    assert any("IPv4 forwarding is off" in text for text in texts)
    assert any("strict reverse-path filtering on t2 " in text for text in texts)


def test_the_compatibility_mode_is_left_alone_unless_it_is_to_be_switched_off(
    network: Network, forwarder: ForwarderProcess
) -> None:
    mode = ("cat", "/proc/sys/net/ipv4/nexthop_compat_mode")
    assert network.in_hub(*mode) == "1\n"
    forwarder.kill()
    forwarder.start("--nexthop-compat-off")
    assert network.in_hub(*mode) == "0\n"
