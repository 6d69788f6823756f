"""Where a tunnel's interface resolves addresses, as VXLAN's does, its nexthop names the branch's link address."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from forwarder_fakes import a_tunnel
from forwarder_table import Table, a_class

from hub.forwarder import fib_plan
from hub.forwarder.fib_plan import Operation
from hub.forwarder.fib_reading import Reading
from hub.forwarder.gateways import gateways
from hub.forwarder.interfaces import Interfaces
from hub.forwarder.liveness.model import TunnelSpec
from hub.forwarder.netlink import nexthops
from hub.forwarder.netlink.links import Link
from hub.forwarder.netlink.nexthops import Nexthop

NUMBER, IPV6_NUMBER = fib_plan.FIRST_NEXTHOP_ID, fib_plan.FIRST_NEXTHOP_ID + fib_plan.IPV6_OFFSET
FAR = socket.inet_aton("10.255.0.1")


@pytest.fixture
def spec() -> TunnelSpec:
    return a_tunnel("bandung/fiber", "vx0", ipv6=True)


def interfaces(*, resolves: bool) -> Interfaces:
    made = Interfaces()
    made.replace([Link(7, "vx0", up=True, resolves=resolves), Link(8, "other", up=True, resolves=True)])
    return made


@pytest.mark.parametrize(
    ("interface", "resolves", "family", "far"),
    [
        (7, True, socket.AF_INET, FAR),
        (7, False, socket.AF_INET, b""),
        (7, True, socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "fd00::1")),
        (8, True, socket.AF_INET, b""),
        (9, True, socket.AF_INET, b""),
    ],
    ids=["resolves", "point to point", "IPv6", "no tunnel's", "gone"],
)
def test_only_an_interface_that_resolves_gets_a_gateway(
    spec: TunnelSpec, interface: int, *, resolves: bool, family: int, far: bytes
) -> None:
    assert gateways(interfaces(resolves=resolves), lambda: [spec])(interface, family) == far


def test_a_link_without_ipv6_has_no_far_end_in_ipv6(spec: TunnelSpec) -> None:
    without = replace(spec, local6=None, remote6=None)
    assert gateways(interfaces(resolves=True), lambda: [without])(7, socket.AF_INET6) == b""


def test_the_nexthop_that_is_written_names_the_gateway_and_reads_back_the_same() -> None:
    written = fib_plan.request(Operation(NUMBER, 7, creates=True), lambda *_: FAR)
    assert nexthops.decode(written[16:]) == Nexthop(NUMBER, 7, fib_plan.PROTOCOL, FAR)


def test_a_nexthop_that_was_made_without_its_gateway_is_made_right() -> None:
    reading = Reading()
    for number, gateway in ((NUMBER, b""), (NUMBER + 1, FAR), (IPV6_NUMBER, b"")):
        reading.take_nexthop(Nexthop(number, 7, fib_plan.PROTOCOL, gateway))
    reading.doubt_gateways(lambda _, family: FAR if family == socket.AF_INET else b"")
    assert reading.ours.nexthops == {NUMBER: 0, NUMBER + 1: 7, IPV6_NUMBER: 7}


def test_a_switch_to_such_a_tunnel_names_its_gateway() -> None:
    table = Table()
    table.adopt()
    table.want(a_class())
    table.fib.gateway_of = lambda *_: FAR
    table.fib.switch([a_class(active="bandung/wireless")])
    sent = [nexthops.decode(message[16:]) for message in table.kernel.sends[-1]]
    assert [each.gateway for each in sent if each is not None] == [FAR]
