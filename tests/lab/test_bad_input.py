"""A hostile branch and a careless operator, against a running hub: a counter or a message, and nothing else changes."""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from lab_world import output, succeeds
from patient_policy import judged_patiently
from running_hub import Report, RunningHub, all_well, copy_of_two_branches, kill, lost, running_hub

from hub.lab.network import HUB

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SEND_BFD = """
import socket, sys
data, address, ttl = bytes.fromhex(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
for _ in range(3):
    sock.sendto(data, (address, 3784))
"""

SAY_BGP = """
import socket, struct, sys
local, remote, number, message = sys.argv[1], sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4])
sock = socket.create_connection((remote, 179), 10, (local, 0))
opening = struct.pack("!BHH4sB", 4, number, 90, socket.inet_aton(local), 8) + bytes.fromhex("0206010400010001")
sock.sendall(b"\\xff" * 16 + struct.pack("!HB", 19 + len(opening), 1) + opening)
sock.recv(4096)
sock.sendall(b"\\xff" * 16 + struct.pack("!HB", 19, 4) + message)
sock.settimeout(10)
while sock.recv(4096):
    pass
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One lab for all tests of this file; nothing but the bad input shall end a tunnel."""
    with running_hub(
        "bad", judged_patiently(copy_of_two_branches(tmp_path_factory.mktemp("bad") / "config")), "relaxed"
    ) as built:
        yield built


@pytest.fixture(autouse=True)
def well(hub: RunningHub) -> None:
    """Every test begins with everything up."""
    hub.wait_until_well()


def counter(report: Report, name: str) -> int:
    return int(report["counters"].get(name, 0))


def sessions_since(report: Report) -> list[str]:
    return [t["session_since"]["at"][:19] for b in report["branches"] for t in b["tunnels"]]


def bfd(first: int = 0x20, flags: int = 0xC0, multiplier: int = 3, length: int = 24, mine: int = 7) -> bytes:
    """A packet of a session that is up; the hub has no session of this discriminator."""
    return struct.pack("!BBBBIIIII", first, flags, multiplier, length, mine, 0xDEADBEEF, 50_000, 50_000, 0)


@pytest.mark.parametrize(
    ("packet", "ttl", "name"),
    [
        (bfd()[:23], 255, "too-short"),
        (b"", 255, "too-short"),
        (bfd(first=0x00), 255, "version"),
        (bfd(first=0x40), 255, "version"),
        (bfd(length=23), 255, "length"),
        (bfd(length=255), 255, "length"),
        (bfd(multiplier=0), 255, "multiplier-zero"),
        (bfd(flags=0xC1), 255, "multipoint"),
        (bfd(flags=0xC4, length=26) + b"\1\2", 255, "authenticated"),
        (bfd(mine=0), 255, "my-discriminator-zero"),
        (bfd(), 255, "no-session"),
        (bfd(), 254, "by-kernel"),
    ],
)
def test_a_wrong_bfd_packet_is_counted_and_nothing_moves(hub: RunningHub, packet: bytes, ttl: int, name: str) -> None:
    before = hub.report()
    dropped = f"forwarder: bfd-dropped-{name}"
    command = (sys.executable, "-c", SEND_BFD, packet.hex(), "10.255.0.0", str(ttl))
    assert succeeds(hub.lab, "bandung", *command)
    hub.wait_for(lambda report: counter(report, dropped) >= counter(before, dropped) + 3, f"{dropped} counted")
    assert all_well(hub.report())


@contextmanager
def lying(hub: RunningHub, routes: tuple[str, ...], lie: str = "accept") -> Iterator[None]:
    """bandung's BIRD announces these too, by a filter that changes them, until the end; no session may end of it."""
    config, sessions = hub.lab.place.bird_config("bandung"), sessions_since(hub.report())
    reread = ("birdc", "-s", str(hub.lab.place.bird_socket("bandung")), "configure")
    honest = config.read_text()
    lan = "protocol static lan {\n    ipv4;\n"
    text = honest.replace(lan, lan + "".join(f"    route {route} unreachable;\n" for route in routes))
    tell = f'filter {{ if proto != "lan" then reject; if net !~ [10.1.0.0/24] then {{ {lie}; }} accept; }}'
    text = re.sub(r"export where proto = \"lan\";\s+next hop self;", f"export {tell};", text)
    assert text.count(tell) == 2
    try:
        config.write_text(text)
        assert succeeds(hub.lab, "bandung", *reread)
        yield
        assert sessions_since(hub.report()) == sessions
    finally:
        config.write_text(honest)
        assert succeeds(hub.lab, "bandung", *reread)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("bgp_next_hop = 10.255.0.29", "the next hop is not the branch's address on this tunnel"),
        ("bgp_path.prepend(65000)", "our own AS is in the path"),
    ],
)
def test_a_route_with_a_lie_in_it_is_refused_and_the_others_stay(hub: RunningHub, lie: str, reason: str) -> None:
    with lying(hub, ("10.1.0.64/26",), lie):
        hub.wait_for(
            lambda report: any(r["prefix"] == "10.1.0.64/26" and r["reason"] == reason for r in report["refused"]),
            reason,
        )
        hub.wait_until_well()


def test_more_prefixes_than_the_limit_are_refused_and_the_others_stay(hub: RunningHub) -> None:
    with lying(hub, tuple(f"10.1.0.{host}/32" for host in range(16, 48))):
        limit = "refused: the branch announces more prefixes than its limit"
        hub.wait_for(lambda report: counter(report, limit) > 0, limit)
        hub.wait_until_well()


def test_strange_attributes_are_no_reason_to_lose_the_route(hub: RunningHub) -> None:
    strange = (
        "bgp_community.add((65535,666)); bgp_large_community.add((1,2,3)); bgp_ext_community.add((rt,1,2)); "
        "bgp_origin = ORIGIN_INCOMPLETE; bgp_med = 4294967295"
    )
    with lying(hub, ("10.1.0.64/26",), strange):
        in_kernel = ("ip", "route", "show", "10.1.0.64/26", "proto", "112")
        hub.wait_for(lambda _: "10.1.0.64/26" in output(hub.lab, HUB, *in_kernel), "the route in the kernel")
        hub.wait_until_well()


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"\xff" * 16 + b"\x00\x12\x04", "a length below the header's"),
        (b"\xff" * 16 + b"\x00\x15\x09zz", "an unknown type"),
        (b"\xff" * 16 + b"\x00\x1b\x02\x00\x00\x00\x00\x63\x0a\x01\x00", "a prefix of 99 bits"),
        (b"\xff" * 16 + b"\x00\x17\x03\x06\x09\n\x1b", "a line break for the log"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_bgp_message_ends_that_session_alone(hub: RunningHub, message: bytes, what: str) -> None:
    del what
    before, exabgp = hub.branch("bandung"), hub.pid("exabgp-1")
    bird = ("birdc", "-s", str(hub.lab.place.bird_socket("tegal")))
    assert succeeds(hub.lab, "tegal", *bird, "disable", "hub1")
    try:
        command = (sys.executable, "-c", SAY_BGP, "10.255.0.29", "10.255.0.28", "65008", message.hex())
        assert succeeds(hub.lab, "tegal", *command)
    finally:
        assert succeeds(hub.lab, "tegal", *bird, "enable", "hub1")
    hub.wait_until_well()
    assert "Traceback" not in hub.log()
    assert "\x1b" not in hub.log()
    assert hub.pid("exabgp-1") == exabgp
    assert sessions_since({"branches": [hub.branch("bandung")]}) == sessions_since({"branches": [before]})


def test_socket_files_that_are_removed_come_back_and_nothing_is_lost(hub: RunningHub) -> None:
    sockets = [hub.lab.place.run / name for name in ("forwarder.sock", "control.sock", "exabgp-1.sock")]
    before = sessions_since(hub.report())
    with hub.probing("bandung") as probe:
        for path in sockets:
            path.unlink()
        hub.wait_for(lambda _: all(path.is_socket() for path in sockets), "all sockets")
        kill(hub.pid("controller"))
        hub.wait_until_well()
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    assert sessions_since(hub.report()) == before


def test_a_second_hub_in_the_same_directory_is_refused_and_the_first_goes_on(hub: RunningHub) -> None:
    before = hub.pid("forwarder")
    hub.start_again()
    hub.wait_for(lambda _: '"pointsman run" is running already' in hub.log(), "the refusal")
    assert all_well(hub.report())
    assert hub.pid("forwarder") == before
