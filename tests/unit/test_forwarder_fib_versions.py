"""Our part of the forwarding table with IPv6 beside IPv4: a class of both is a pair of nexthops."""

from __future__ import annotations

from dataclasses import replace

from forwarder_fakes import FakeKernel
from forwarder_table import ID, NET, Table, a_class

from hub.forwarder.fib_plan import PROTOCOL, destination

BOTH = replace(a_class(), prefixes=("10.1.0.0/24", "2001:db8:1::/48"))
NET6 = destination("2001:db8:1::/48")
ID6 = ID + 0x8000


def test_a_class_of_both_ip_versions_is_a_pair_of_nexthops_that_move_together() -> None:
    table = Table()
    table.adopt()
    table.want(BOTH)
    assert table.kernel.nexthops == {ID: (1, PROTOCOL), ID6: (1, PROTOCOL)}
    assert table.kernel.routes[(*NET6, 100)] == (ID6, PROTOCOL)
    assert table.kernel.routes[(*NET6, 0xFFFFFFFF)] == (0, PROTOCOL)
    table.kernel.sends.clear()
    moved = replace(BOTH, active="bandung/wireless")
    table.want(moved, run=False)
    table.fib.switch([moved])
    assert [len(send) for send in table.kernel.sends] == [2]
    assert table.fib.installed(moved)


def test_a_class_of_one_ip_version_has_no_nexthop_of_the_other() -> None:
    table = Table()
    table.adopt()
    table.want(replace(BOTH, prefixes=("2001:db8:1::/48",)))
    assert table.kernel.nexthops == {ID6: (1, PROTOCOL)}
    table.want(a_class())
    assert table.kernel.nexthops == {ID: (1, PROTOCOL)}


def test_both_nexthops_of_an_earlier_process_are_found_again() -> None:
    kernel = FakeKernel()
    kernel.nexthops = {ID + 7: (1, PROTOCOL), ID6 + 7: (1, PROTOCOL)}
    kernel.routes = {(NET, 24, 100): (ID + 7, PROTOCOL), (*NET6, 100): (ID6 + 7, PROTOCOL)}
    table = Table(kernel)
    table.adopt()
    table.want(BOTH, sweep=False)
    assert table.fib.ids == {"bandung": ID + 7}
    assert [each for each in kernel.history if "nexthop" in each] == []
    table.want()
    assert (kernel.nexthops, kernel.routes) == ({}, {})


def test_a_pair_of_which_another_program_has_one_half_is_not_used() -> None:
    kernel = FakeKernel()
    kernel.nexthops[ID6] = (3, 186)
    table = Table(kernel)
    table.adopt()
    table.want(BOTH)
    assert kernel.nexthops == {ID6: (3, 186), ID + 1: (1, PROTOCOL), ID6 + 1: (1, PROTOCOL)}


def test_an_ipv6_route_of_another_program_beside_ours_is_never_replaced_and_is_named() -> None:
    table = Table()
    table.adopt()
    table.want(BOTH)
    table.kernel.beside[(*NET6, 100)] = (0, 4)
    table.clock.run(40)
    (problem,) = table.problems.values()
    assert "2001:db8:1::/48 (protocol static, metric 100) is in the way of ours" in problem.text
    assert "ip -6 route del 2001:db8:1::/48 proto 4 metric 100" in problem.mend
    table.want(replace(a_class("other"), prefixes=("2001:db8:1::/48",)), a_class())
    table.clock.run(40)
    del table.kernel.beside[(*NET6, 100)]
    table.clock.run(60)
    assert table.problems == {}
    assert table.kernel.interface_of(*NET6) == 1
