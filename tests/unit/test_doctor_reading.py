"""What is made of the bytes and texts of the machine."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from threading import Thread

import pytest

from hub.control.places import Places
from hub.doctor.facts import Process, Route, Rule
from hub.doctor.findings import fine, in_order, named, unseen, warning, wrong
from hub.doctor.reading import directories, network, processes, sockets, surroundings
from hub.forwarder.netlink import wire

NAMES = {4: "eth0"}


def a_route(*attributes: bytes, length: int = 24, table: int = 254, kind: int = 1, flags: int = 0) -> bytes:
    return struct.pack("=BBBBBBBBI", socket.AF_INET, length, 0, 0, table, 4, 0, kind, flags) + b"".join(attributes)


TO = wire.attribute(1, bytes((10, 1, 0, 0)))


@pytest.mark.parametrize(
    ("body", "route"),
    [
        (
            a_route(TO, wire.attribute_u32(4, 4), wire.attribute_u32(6, 20)),
            Route(ip_network("10.1.0.0/24"), 20, 4, 254, "eth0"),
        ),
        (a_route(TO, wire.attribute_u32(15, 7101), table=0), Route(ip_network("10.1.0.0/24"), 0, 4, 7101, "")),
        (a_route(length=0), Route(ip_network("0.0.0.0/0"), 0, 4, 254, "")),
        (a_route(TO, kind=7), Route(ip_network("10.1.0.0/24"), 0, 4, 254, "")),
        (a_route(TO, kind=9), None),
        (a_route(TO, length=33), None),
        (a_route(TO, table=255), None),
        (a_route(TO, flags=0x200), None),
        (b"\2", None),
    ],
)
def test_routes(body: bytes, route: Route | None) -> None:
    assert network.decode_route(body, NAMES) == route


def a_rule(*attributes: bytes, action: int = 1, source: int = 0, flags: int = 0) -> bytes:
    priority = wire.attribute_u32(6, 100) + wire.attribute_u32(15, 51)
    return struct.pack("=BBBBBBBBI", 2, 0, source, 0, 0, 0, 0, action, flags) + priority + b"".join(attributes)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (a_rule(), Rule(4, 100, 51)),
        (a_rule(wire.attribute_u32(14, 0xFFFFFFFF)), Rule(4, 100, 51)),
        (a_rule(wire.attribute_u32(14, 0)), Rule(4, 100, 51, suppress=0)),
        (a_rule(wire.attribute_u32(10, 0x1BBD)), Rule(4, 100, 51, "fwmark 0x1bbd", marked=True)),
        (a_rule(wire.attribute_u32(10, 1), flags=2), Rule(4, 100, 51, "not fwmark 0x1")),
        (a_rule(wire.attribute(3, b"eth0\0")), Rule(4, 100, 51, "iif eth0")),
        (a_rule(wire.attribute(21, b"\x70")), Rule(4, 100, 51, protocol=112)),
        (
            a_rule(wire.attribute(2, bytes((10, 0, 0, 0))), source=16),
            Rule(4, 100, 51, "from 10.0.0.0/16", source=ip_network("10.0.0.0/16")),
        ),
        (a_rule(action=6), Rule(4, 100, 0)),
        (a_rule(action=2), None),
        (a_rule(wire.attribute(19, b"\1")), None),
        (b"\2", None),
    ],
)
def test_rules(body: bytes, rule: Rule | None) -> None:
    assert network.decode_rule(body) == rule


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TAIL = "00000000:00000000 00:00000000 00000000     0        0 4242 1"


def test_sockets_of_both_versions() -> None:
    four = int.from_bytes(socket.inet_aton("10.255.0.2"), "little")
    text = f"{HEAD}  0: {four:08X}:00B3 00000000:0000 0A {TAIL}\n  1: broken\n"
    (row,) = sockets.rows(text)
    assert (row.address, row.port, row.state, row.inode) == (IPv4Address("10.255.0.2"), 179, "0A", 4242)
    (row,) = sockets.rows(f"{HEAD}  0: {'0' * 32}:0EC8 {'0' * 32}:0000 07 {TAIL}\n")
    assert (row.address, row.port) == (ip_address("::"), 3784)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], {}),
        (["[Network]\nManageForeignRoutes=no\n"], {"ManageForeignRoutes": False}),
        (["#ManageForeignRoutes=no\n"], {}),
        (["ManageForeignRoutes = false\n", "ManageForeignRoutes=yes\n"], {"ManageForeignRoutes": True}),
        (["SpeedMeter=no\nManageForeignNextHops=0"], {"ManageForeignNextHops": False}),
    ],
)
def test_networkd_conf_and_its_drop_ins(texts: list[str], found: dict[str, bool]) -> None:
    assert surroundings.settings(texts) == found


@pytest.mark.parametrize(
    ("path", "text", "takes_up"),
    [
        ("/etc/bird/bird.conf", "protocol kernel { learn; }", True),
        ("/etc/bird/bird.conf", "protocol kernel { learn all; }", True),
        ("/etc/bird/bird.conf", "protocol kernel { learn no; }", False),
        ("/etc/bird/bird.conf", "# learn;", False),
        ("/etc/frr/frr.conf", "router bgp 65000\n redistribute kernel\n", True),
        ("/etc/frr/frr.conf", "! redistribute kernel\n", False),
    ],
)
def test_daemons_that_take_up_the_routes_of_others(path: str, text: str, takes_up: bool) -> None:
    assert surroundings.takes_up_others(path, text) == takes_up


def test_a_pid_file_counts_while_its_process_is_that_program(tmp_path: Path) -> None:
    (tmp_path / "forwarder.pid").write_text("1\n")
    (tmp_path / "controller.pid").write_text("not a number\n")
    (tmp_path / "exabgp.pid").write_text("4194305\n")
    assert [(each.program, each.pid, each.process) for each in processes.pid_files(tmp_path)] == [
        ("controller", None, None),
        ("exabgp", 4194305, None),
        ("forwarder", 1, None),
    ]
    assert processes.pid_files(tmp_path / "absent") == ()


def test_a_socket_is_answered_at_or_not(tmp_path: Path) -> None:
    places = Places(run=tmp_path)
    assert sockets.answering(places) == {}
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as closing:
        for listener, path in ((silent, places.forwarder_socket), (closing, places.control_socket)):
            listener.bind(str(path))
            listener.listen()
        assert sockets.answering(places) == {"forwarder.sock": "does not answer", "control.sock": "does not answer"}
    refused = "does not answer (Connection refused)"
    assert sockets.answering(places) == {"forwarder.sock": refused, "control.sock": refused}


def test_a_relay_is_answered_at_when_it_greets(tmp_path: Path) -> None:
    places = Places(run=tmp_path)
    places.exabgp_config(2).touch()
    assert sockets.answering(places) == {}
    with socket.socket(socket.AF_UNIX) as relay:
        relay.bind(str(places.relay_socket(2)))
        relay.listen()
        assert sockets.answering(places) == {"exabgp-2.sock": "does not answer"}
        relay.accept()[0].close()

        def greet() -> None:
            with relay.accept()[0] as connection:
                connection.sendall(b"{}\n")

        greeting = Thread(target=greet)
        greeting.start()
        assert sockets.answering(places) == {"exabgp-2.sock": None}
        greeting.join()


def test_a_directory_that_is_not_there_and_one_that_is(tmp_path: Path) -> None:
    assert not directories.read(tmp_path / "absent", root=True).exists
    there = directories.read(tmp_path, root=True)
    assert there.exists
    assert there.writable is True


def test_findings_are_grouped_by_place_worst_first_and_each_once() -> None:
    bad, odd, dark, good = (
        wrong("routes", "a", "x", "m"),
        warning("clock", "b", "x", "m"),
        unseen("clock", "c", "x", "y"),
        fine("routes", "d", "x"),
    )
    alone = fine("tunnels", "e", "x")
    assert in_order([alone, good, dark, odd, bad, odd]) == (bad, good, odd, dark, alone)


def test_of_many_names_the_first_are_said() -> None:
    assert (named(["a", "b", "c"]), named(["a", "b", "c", "d"])) == ("a, b, c", "a, b, c and 1 more")


def test_a_process_is_named_with_its_number() -> None:
    assert str(Process(99, "bird")) == "bird (pid 99)"
