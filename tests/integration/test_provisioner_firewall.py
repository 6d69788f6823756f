"""The hub's firewall in a kernel, with packets: what comes in, what does not, and what happens to others' rules."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from firewall_namespaces import HANDSHAKE, Surroundings, inside
from firewall_wanted import EVERYTHING, FIBER, LTE, PINNED, WANTED

from hub.provisioner.changes import Finding, ProvisionError
from hub.provisioner.firewall.backend import FirewallSlice
from hub.provisioner.firewall.rules import FULL_NAME, TABLE
from hub.provisioner.own_table import OwnTable
from hub.provisioner.program import program_in
from hub.provisioner.wanted import Wanted

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def network() -> Iterator[Surroundings]:
    with Surroundings() as made:
        yield made


@pytest.fixture(autouse=True)
def clean(network: Surroundings) -> Iterator[None]:
    yield
    with inside(network.hub):
        OwnTable(TABLE).remove()


def apply(network: Surroundings, wanted: Wanted) -> list[str]:
    firewall = FirewallSlice()
    with inside(network.hub):
        planned = firewall.plan(wanted)
        for change in planned.changes:
            firewall.do(change)
    return [change.text for change in planned.changes]


def verify(network: Surroundings, wanted: Wanted) -> Sequence[Finding]:
    with inside(network.hub):
        return FirewallSlice().verify(wanted)


OFF = replace(EVERYTHING, firewall=False)
HUB, HUB2 = "198.51.100.2", "203.0.113.2"
UDP = {
    "WireGuard from the branch's address": ("f0", "192.0.2.7", HUB, 51000, "arrived"),
    "WireGuard from a stranger, where the address is known": ("f0", "192.0.2.8", HUB, 51000, "unknown_endpoint"),
    "WireGuard by another uplink": ("f1", "192.0.2.7", HUB2, 51000, "unknown_endpoint"),
    "WireGuard from anywhere, where nothing is known": ("f1", "203.0.113.1", HUB2, 51001, "arrived"),
    "WireGuard from anywhere, by another uplink": ("f0", "192.0.2.8", HUB, 51001, "unknown_endpoint"),
    "a port that is not ours": ("f0", "192.0.2.8", HUB, 51999, "arrived"),
    "BFD in its tunnel": ("p0", "10.255.0.1", "10.255.0.0", 3784, "arrived"),
    "BFD of the other tunnel of the branch": ("p0", "10.255.0.3", "10.255.0.0", 3784, "outside_its_tunnel"),
    "BFD of a host behind the branch": ("p0", "10.1.0.9", "10.255.0.0", 3785, "outside_its_tunnel"),
    "BFD in an existing tunnel": ("p2", "10.255.0.7", "10.255.0.6", 4784, "arrived"),
    "BFD to a link, from elsewhere": ("l0", "10.0.9.7", "10.255.0.0", 3784, "outside_its_tunnel"),
    "BFD of somebody else": ("l0", "10.0.9.7", "10.0.9.1", 3784, "arrived"),
    "a branch's own source": ("p0", "10.1.0.9", "10.0.9.1", 7000, "arrived"),
    "another branch's source": ("p0", "10.2.0.9", "10.0.9.1", 7000, "spoofed_source"),
    "a source of the internet, out of a tunnel": ("p1", "192.0.2.7", "10.0.9.1", 7000, "spoofed_source"),
    "the link address of the branch's other tunnel": ("p1", "10.255.0.1", "10.0.9.1", 7000, "arrived"),
    "a link address, not out of a tunnel": ("f0", "10.255.0.1", HUB, 7000, "spoofed_source"),
    "IPv6: a branch's own source": ("p0", "2001:db8:1::9", "fd00:255::", 7000, "arrived"),
    "IPv6: another branch's source": ("p0", "2001:db8:2::9", "fd00:255::", 7000, "spoofed_source"),
    "IPv6: BFD in its tunnel": ("p0", "fd00:255::1", "fd00:255::", 3784, "arrived"),
    "IPv6: BFD of a host behind the branch": ("p0", "2001:db8:1::9", "fd00:255::", 3784, "outside_its_tunnel"),
    "anything out of an existing tunnel": ("p2", "10.2.0.9", "10.0.9.1", 7000, "arrived"),
}


@pytest.mark.parametrize("name", UDP)
def test_a_datagram_comes_in_or_is_counted(network: Surroundings, name: str) -> None:
    device, source, to, port, fate = UDP[name]
    apply(network, OFF)
    assert network.udp(device, source, to, port) == "arrived", "without the rules it must come in"
    apply(network, EVERYTHING)
    assert network.udp(device, source, to, port) == fate


TCP = {
    "BGP in its tunnel": ("p0", "10.255.0.1", "10.255.0.0", 179, "arrived"),
    "BGP out of its tunnel": ("f0", "198.51.100.1", "10.255.0.0", 179, "outside_its_tunnel"),
    "BGP of a host behind the branch": ("p0", "10.1.0.9", "10.255.0.0", 179, "outside_its_tunnel"),
    "BGP of a tunnel to another address of the hub": ("p0", "10.1.0.9", "10.0.9.1", 179, "outside_its_tunnel"),
    "BGP with another router of the headquarters": ("l0", "10.0.9.7", "10.0.9.1", 179, "arrived"),
    "SSH from the management's prefix": ("l0", "10.0.9.7", "10.0.9.1", 22, "arrived"),
    "SSH from elsewhere": ("l0", "10.0.8.7", "10.0.9.1", 22, "management"),
    "SSH from the internet": ("f0", "198.51.100.1", HUB, 22, "management"),
    "SSH from a branch": ("p0", "10.255.0.1", "10.255.0.0", 22, "management"),
    "IPv6: SSH from a branch": ("p0", "fd00:255::1", "fd00:255::", 22, "management"),
    "another service": ("f0", "198.51.100.1", HUB, 443, "arrived"),
}


@pytest.mark.parametrize("name", TCP)
def test_a_connection_is_opened_or_counted(network: Surroundings, name: str) -> None:
    device, source, to, port, fate = TCP[name]
    apply(network, EVERYTHING)
    assert network.tcp(device, source, to, port) == fate


def test_where_no_prefix_is_written_ssh_is_not_filtered(network: Surroundings) -> None:
    apply(network, replace(EVERYTHING, management=()))
    assert network.tcp("f0", "198.51.100.1", HUB, 22) == "arrived"


def test_ospf_comes_from_the_neighbor_in_the_tunnel_only(network: Surroundings) -> None:
    apply(network, EVERYTHING)
    assert network.raw("p0", "10.255.0.1", "10.255.0.0", 89, b"hello") == "arrived"
    assert network.raw("p0", "10.1.0.9", "10.255.0.0", 89, b"hello") == "outside_its_tunnel"
    assert network.raw("l0", "10.0.9.7", "10.255.0.0", 89, b"hello") == "outside_its_tunnel"
    assert network.raw("l0", "10.0.9.7", "10.0.9.1", 89, b"hello") == "arrived"


def test_the_answer_to_a_return_path_probe_may_come_by_any_tunnel_of_its_branch(network: Surroundings) -> None:
    apply(network, EVERYTHING)
    for device in ("p0", "p1"):
        assert network.echo_reply(device, "10.255.0.1", "10.0.9.1") == "arrived"
    assert network.echo_reply("f0", "10.255.0.1", HUB) == "spoofed_source"
    assert network.echo_reply("p0", "10.255.0.9", "10.0.9.1") == "spoofed_source"


def test_ike_comes_from_branches_only_where_all_of_them_are_known(network: Surroundings) -> None:
    apply(network, PINNED)
    for port in (500, 4500):
        assert network.udp("f0", "192.0.2.9", HUB, port) == "arrived"
        assert network.udp("f0", "192.0.2.8", HUB, port) == "unknown_endpoint"
        assert network.udp("f1", "203.0.113.1", HUB2, port) == "arrived"
    assert network.raw("f0", "192.0.2.9", HUB, 50, b"esp") == "arrived"
    assert network.raw("f0", "192.0.2.8", HUB, 50, b"esp") == "unknown_endpoint"


def test_beside_a_tunnel_of_somebody_else_ike_comes_from_anywhere(network: Surroundings) -> None:
    apply(network, EVERYTHING)
    assert network.udp("f0", "192.0.2.8", HUB, 500) == "arrived"


def test_gre_that_ipsec_did_not_protect_never_reaches_a_tunnel(network: Surroundings) -> None:
    apply(network, PINNED)
    assert network.raw("f0", "192.0.2.9", "10.254.0.0", 47, b"\x00\x00\x08\x00") == "spoofed_source"
    assert network.raw("f0", "192.0.2.9", HUB, 47, b"\x00\x00\x08\x00") == "arrived"


def many(network: Surroundings, payload: bytes, count: int, port: int) -> int:
    """How many of so many datagrams at once were dropped."""
    to, before = (HUB2, port), sum(network.dropped().values())
    receiver = network.receiver(socket.SOCK_DGRAM, port)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sender = network.sender("f1", "203.0.113.1", socket.SOCK_DGRAM)
    for _ in range(count):
        sender.sendto(payload, to)
    heard = 0
    while True:
        try:
            receiver.recv(4096)
            heard += 1
        except BlockingIOError:
            dropped = sum(network.dropped().values()) - before
            if heard + dropped >= count:
                receiver.close()
                return dropped


def test_handshakes_of_a_stranger_are_limited_and_nothing_else_of_his(network: Surroundings) -> None:
    apply(network, EVERYTHING)
    assert many(network, HANDSHAKE, 400, 51001) > 100
    assert many(network, b"\x04" + bytes(147), 400, 51001) == 0
    assert many(network, HANDSHAKE[:100], 400, 51001) == 0
    init = bytes(18) + b"\x22" + bytes(9)
    assert many(network, init, 400, 500) > 100
    assert many(network, bytes(4) + init, 400, 4500) > 100
    assert many(network, b"\x00\x00\x00\x01" + init, 400, 4500) == 0
    assert verify(network, EVERYTHING) == ()


def test_connections_that_stand_are_not_cut(network: Surroundings) -> None:
    for device, source, to, port in (("l0", "10.0.8.7", "10.0.9.1", 22), ("p0", "10.255.0.1", "10.255.0.0", 179)):
        apply(network, OFF)
        listener = network.receiver(socket.SOCK_STREAM, port)
        fate, ours = network.connect(network.sender(device, source, socket.SOCK_STREAM), to, port)
        assert fate == "arrived"
        theirs, _ = listener.accept()
        for number in range(3):
            apply(network, replace(EVERYTHING, management=(f"10.0.9.{number}/32",)))
            for here, there in ((ours, theirs), (theirs, ours)):
                here.setblocking(True)
                there.settimeout(20)
                here.sendall(b"still there")
                assert there.recv(100) == b"still there"
        for each in (listener, theirs):
            each.close()
    assert network.tcp("l0", "10.0.8.7", "10.0.9.1", 22) == "management"


def test_rules_of_others_are_not_touched_and_keep_their_say(network: Surroundings) -> None:
    network.nft("add table inet others; add chain inet others in { type filter hook input priority 0; policy accept; }")
    network.nft("add rule inet others in udp dport 51000 drop")
    network.nft("add table ip pointsman; add chain ip pointsman kept")
    before = [network.nft("list", "table", *table) for table in (("inet", "others"), ("ip", "pointsman"))]
    apply(network, EVERYTHING)
    receiver = network.receiver(socket.SOCK_DGRAM, 51000)
    network.sender("f0", "192.0.2.7", socket.SOCK_DGRAM).sendto(b"hello", (HUB, 51000))
    assert network.udp("f0", "192.0.2.8", HUB, 51999) == "arrived"  # which came behind it
    with pytest.raises(BlockingIOError):
        receiver.recv(100)
    receiver.close()
    apply(network, OFF)
    assert [network.nft("list", "table", *table) for table in (("inet", "others"), ("ip", "pointsman"))] == before
    network.nft("delete table inet others; delete table ip pointsman")


@pytest.mark.parametrize(
    "tamper",
    [
        f"insert rule {FULL_NAME} input accept",
        f"flush chain {FULL_NAME} prerouting",
        f'add element {FULL_NAME} neighbors {{ "eth0" . 192.0.2.66 }}',
        f"delete element {FULL_NAME} wireguard_ports {{ 51000 }}",
        f"add chain {FULL_NAME} mine {{ type filter hook input priority -20; policy accept; }}",
        f"add element {FULL_NAME} management_from {{ 192.0.0.0/8 }}",
        f'flush chain {FULL_NAME} fingerprint; add rule {FULL_NAME} fingerprint return comment "made by pointsman: 0"',
        f"delete table {FULL_NAME}",
    ],
)
def test_whatever_somebody_changes_is_found_and_put_back(network: Surroundings, tamper: str) -> None:
    apply(network, EVERYTHING)
    assert verify(network, EVERYTHING) == ()
    as_applied = listed(network)
    network.nft(tamper)
    (finding,) = verify(network, EVERYTHING)
    assert finding.repaired
    assert listed(network) == as_applied
    assert verify(network, EVERYTHING) == ()


def listed(network: Surroundings) -> str:
    return network.nft("--stateless", "list", "table", *FULL_NAME.split())


def test_packets_that_are_counted_are_no_drift_and_are_reported(network: Surroundings) -> None:
    apply(network, EVERYTHING)
    network.udp("f0", "192.0.2.8", HUB, 51000)
    many(network, HANDSHAKE, 10, 51001)
    assert verify(network, EVERYTHING) == ()
    assert apply(network, EVERYTHING) == []
    with inside(network.hub):
        told = FirewallSlice().report(EVERYTHING)["firewall"]
    assert told["in_force"] is True
    assert told["dropped"]["unknown_endpoint"] == 1


def test_rules_that_the_kernel_does_not_take_leave_those_in_force(network: Surroundings) -> None:
    apply(network, EVERYTHING)
    before = listed(network)
    with inside(network.hub), pytest.raises(ProvisionError, match="syntax error"):
        OwnTable(TABLE).load("chain input { nonsense }\n")
    assert listed(network) == before


def test_rules_are_asked_for_in_the_namespace_that_is_named() -> None:
    name = f"pm-fw-named-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        there = OwnTable(TABLE, run=program_in(name))
        assert not there.look().there
        there.load("")
        assert there.look().there
        assert not OwnTable(TABLE).look().there
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_hundreds_of_tunnels_need_no_more_rules_than_one(network: Surroundings) -> None:
    def one(number: int) -> Any:
        link = f"10.255.{number // 128}.{number % 128 * 2}"
        return replace(
            FIBER if number % 2 else LTE,
            tunnel=f"b{number}/fiber",
            interface=f"wg{51000 + number}-b{number}",
            port=51000 + number,
            addresses=(f"{link}/31",),
            allowed=(
                f"10.{number // 200 + 1}.{number % 200}.0/24",
                f"10.255.{number // 128}.{number % 128 * 2 + 1}/32",
            ),
        )

    def rules(wanted: Wanted) -> int:
        apply(network, wanted)
        with inside(network.hub):
            return sum("rule" in each for each in OwnTable(TABLE).look().objects)

    few = rules(replace(WANTED, wireguard=tuple(map(one, range(2)))))
    network_of_many = replace(WANTED, wireguard=tuple(map(one, range(300))))
    assert rules(network_of_many) == few
    assert verify(network, network_of_many) == ()
    assert json.loads(network.nft("--json", "list", "set", *FULL_NAME.split(), "tunnels"))
