"""What is said of forwarding, tunnels, daemons, kernel, clock, disk and programs: one fact changed, one finding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from doctor_facts import (
    FIBER,
    INTERFACES,
    WANTED,
    WELL,
    WIRELESS,
    bad,
    dual_stack,
    kinds,
    machine,
    the_one,
    with_settings,
)
from small_network import HUB

from hub.doctor.facts import (
    Account,
    Clock,
    Configured,
    Directory,
    Facts,
    Features,
    Networkd,
    Process,
    Unseen,
    Wanted,
)
from hub.doctor.findings import Severity
from policies.model.intent import Intent


def test_a_machine_on_which_all_is_well_has_nothing_wrong() -> None:
    assert bad(WELL) == []


@pytest.mark.parametrize(
    ("setting", "value", "found"),
    [
        ("ipv4__ip_forward", "0", [("wrong", "forwarding")]),
        ("ipv4__ip_forward", "1", []),
        ("ipv4__conf__IF__forwarding", "0", [("wrong", "forwarding")]),
        ("ipv4__conf__IF__forwarding", "1", []),
        ("ipv4__conf__IF__rp_filter", "1", [("wrong", "reverse-path")]),
        ("ipv4__conf__IF__rp_filter", "2", []),
        ("ipv4__conf__all__rp_filter", "1", [("wrong", "reverse-path")]),
        ("ipv6__conf__all__forwarding", "0", []),
        ("netfilter__nf_conntrack_tcp_loose", "0", [("warning", "conntrack")]),
        ("netfilter__nf_conntrack_tcp_loose", "1", []),
    ],
)
def test_settings_that_stop_packets(setting: str, value: str, found: list[tuple[str, str]]) -> None:
    assert kinds(bad(with_settings(**{setting: value}))) == found


def test_a_conntrack_table_that_is_nearly_full_is_a_warning() -> None:
    names = ("netfilter__nf_conntrack_count", "netfilter__nf_conntrack_max")
    assert bad(with_settings(**dict(zip(names, ("900", "1000"), strict=True)))) == []
    assert "(901 of 1000)" in the_one(with_settings(**dict(zip(names, ("901", "1000"), strict=True)))).text


@pytest.mark.parametrize(
    ("setting", "value", "key"),
    [("ipv6__conf__all__forwarding", "0", "forwarding"), ("ipv6__conf__IF__disable_ipv6", "1", "ipv6")],
)
def test_ipv6_counts_where_it_is_configured(setting: str, value: str, key: str) -> None:
    assert kinds(bad(with_settings(**{setting: value}), dual_stack())) == [("wrong", key)]
    assert bad(with_settings(**{setting: value})) == []


def test_a_kernel_without_ipv6_cannot_carry_it() -> None:
    assert kinds(bad(machine(features=Features(ipv6=False)), dual_stack())) == [("wrong", "ipv6")]


def test_a_tunnel_that_is_missing_and_one_that_is_down_are_told_apart() -> None:
    down = tuple(replace(each, up=each.index != 5) for each in INTERFACES if each.index != 4)
    assert [finding.text for finding in bad(machine(interfaces=down))] == [
        f"interface {FIBER.interface} of bandung/fiber is not there",
        f"interface {WIRELESS.interface} of bandung/wireless is down",
    ]


def test_a_link_address_that_is_missing_or_elsewhere_has_the_command_that_adds_it() -> None:
    elsewhere = (("eth0", FIBER.link.hub), (WIRELESS.interface, WIRELESS.link.hub))
    finding = the_one(machine(addresses=elsewhere))
    assert f"is on eth0 instead of {FIBER.interface}" in finding.text
    assert finding.mend == f"ip address add {FIBER.link.hub}/31 dev {FIBER.interface}"
    assert "is not on" in the_one(machine(addresses=elsewhere[1:])).text


@pytest.mark.parametrize(
    ("mtu", "below", "kind", "found"),
    [
        (1420, 1500, "wireguard", []),
        (1440, 1500, "wireguard", []),
        (1441, 1500, "wireguard", [("warning", "mtu")]),
        (1420, 1400, "wireguard", [("warning", "mtu")]),
        (1500, 1500, "gre", []),
        (575, 1500, "wireguard", [("wrong", "mtu")]),
        (1279, 1500, "wireguard", []),
    ],
)
def test_an_odd_mtu(mtu: int, below: int, kind: str, found: list[tuple[str, str]]) -> None:
    uplink = FIBER.hub_uplink.interface
    interfaces = tuple(
        replace(each, mtu=mtu, kind=kind)
        if each.name == FIBER.interface
        else replace(each, mtu=below)
        if each.name == uplink
        else each
        for each in INTERFACES
    )
    assert kinds(bad(machine(interfaces=interfaces))) == found


def test_ipv6_needs_1280_bytes() -> None:
    small = tuple(replace(each, mtu=1279 if each.index == 4 else each.mtu) for each in INTERFACES)
    assert kinds(bad(machine(interfaces=small), dual_stack())) == [("wrong", "mtu")]


@pytest.mark.parametrize(("room", "resolves", "found"), [("3", True, 1), ("4", True, 0), ("3", False, 0)])
def test_the_neighbor_table_counts_for_tunnels_that_resolve(room: str, resolves: bool, found: int) -> None:
    interfaces = tuple(replace(each, resolves=resolves) for each in INTERFACES)
    facts = replace(with_settings(ipv4__neigh__default__gc_thresh3=room), interfaces=interfaces)
    assert kinds(bad(facts)) == [("warning", "neighbor-table")] * found


def test_network_manager_should_leave_tunnels_alone() -> None:
    assert bad(machine(network_manager=frozenset({"eth0"}))) == []
    assert FIBER.interface in the_one(machine(network_manager=frozenset({FIBER.interface}))).text


ALL_THREE = "ManageForeignRoutes=no ManageForeignRoutingPolicyRules=no ManageForeignNextHops=no"


@pytest.mark.parametrize(
    ("version", "settings", "mend"),
    [
        (245, {}, None),
        (246, {}, "ManageForeignRoutes=no"),
        (252, {}, "ManageForeignRoutes=no ManageForeignRoutingPolicyRules=no"),
        (252, {"ManageForeignRoutes": False}, "ManageForeignRoutingPolicyRules=no"),
        (252, {"ManageForeignRoutes": False, "ManageForeignRoutingPolicyRules": False}, None),
        (256, {}, ALL_THREE),
        (256, {"ManageForeignRoutes": True}, ALL_THREE),
        (None, {}, ALL_THREE),
    ],
)
def test_networkd_is_told_what_its_version_knows(
    version: int | None, settings: dict[str, bool], mend: str | None
) -> None:
    found = bad(machine(networkd=Networkd(running=True, version=version, settings=settings)))
    assert [finding.severity for finding in found] == [Severity.WRONG] * (mend is not None)
    assert mend is None or f"[Network] {mend} to" in str(found[0].mend)


def test_networkd_that_is_only_enabled_is_a_warning() -> None:
    assert kinds(bad(machine(networkd=Networkd(enabled=True)))) == [("warning", "networkd")]


@pytest.mark.parametrize(
    ("daemon", "compat", "learning", "found"),
    [
        ("bird", "1", (), []),
        ("bird", "0", (), [("warning", "compat-mode")]),
        ("bird", "1", ("/etc/bird/bird.conf",), [("warning", "learning")]),
        ("NetworkManager", "0", ("/etc/bird/bird.conf",), []),
    ],
)
def test_routing_daemons_beside_us(
    daemon: str, compat: str, learning: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    facts = with_settings(ipv4__nexthop_compat_mode=compat)
    assert kinds(bad(replace(facts, daemons=(Process(7, daemon),), learning=learning))) == found


@pytest.mark.parametrize(
    ("features", "found"),
    [
        (Features(nexthops=False), [("wrong", "nexthops")]),
        (Features(strict_dumps=False), [("wrong", "strict")]),
        (Features(md5=False), []),
        (Features(raw_sockets=False), [("wrong", "raw")]),
        (Features(raw_sockets=Unseen()), [("not looked at", "raw")]),
        (Features(wireguard=None), []),
    ],
)
def test_what_the_kernel_lacks(features: Features, found: list[tuple[str, str]]) -> None:
    assert kinds(bad(machine(features=features))) == found


def test_md5_counts_where_a_session_has_a_password() -> None:
    facts = machine(features=Features(md5=False))
    assert kinds(bad(facts, replace(WANTED, passwords=True))) == [("wrong", "md5")]


def test_wireguard_counts_where_tunnels_are_missing() -> None:
    facts = machine(features=Features(wireguard=None), interfaces=INTERFACES[:3])
    assert ("wrong", "wireguard") in kinds(bad(facts))


@pytest.mark.parametrize(("copies", "found"), [(1, []), (100, [("warning", "receive-buffer")])])
def test_the_receive_buffer_outlasts_a_stall(copies: int, found: list[tuple[str, str]]) -> None:
    facts = replace(with_settings(core__rmem_max="212992"), account=Account(open_files=1 << 20))
    assert kinds(bad(facts, replace(WANTED, tunnels=WANTED.tunnels * copies))) == found


@pytest.mark.parametrize(
    ("clock", "found"),
    [
        (Clock(1.8e9), []),
        (Clock(86_400.0), [("wrong", "wall")]),
        (Clock(1.8e9, synchronized=False), [("warning", "synchronized")]),
        (Clock(1.8e9, synchronized=Unseen()), [("not looked at", "synchronized")]),
        (Clock(1.8e9, slept=0.5), []),
        (Clock(1.8e9, slept=60.0), [("warning", "slept")]),
        (Clock(1.8e9, missing_zones=("Asia/Jakarta",)), [("wrong", "zone")]),
    ],
)
def test_the_clock(clock: Clock, found: list[tuple[str, str]]) -> None:
    assert kinds(bad(machine(clock=clock))) == found


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        (Directory("/d"), []),
        (Directory("/d", exists=False, writable=False), []),
        (Directory("/d", read_only=True, writable=False), [("wrong", "writable")]),
        (Directory("/d", writable=False), [("wrong", "writable")]),
        (Directory("/d", writable=Unseen()), [("not looked at", "writable")]),
        (Directory("/d", free_bytes=0), [("wrong", "room")]),
        (Directory("/d", free_bytes=(1 << 20) - 1), [("wrong", "room")]),
        (Directory("/d", free_bytes=1 << 20), [("warning", "room")]),
        (Directory("/d", free_bytes=1 << 30, free_files=99), [("warning", "room")]),
        (Directory("/d", free_bytes=1 << 30, free_files=0), [("wrong", "room")]),
        (Directory("/d", free_bytes=1 << 30, free_files=1000), []),
    ],
)
def test_directories(directory: Directory, found: list[tuple[str, str]]) -> None:
    assert kinds(bad(machine(directories=(directory,)))) == found


@pytest.mark.parametrize(
    ("version", "wrong"), [("5.0.15", False), ("5.0.99", False), ("5.0.14", True), ("5.1.0", True), (None, True)]
)
def test_exabgp_is_of_a_version_that_the_launcher_knows(version: str | None, wrong: bool) -> None:
    assert kinds(bad(machine(exabgp=version))) == [("wrong", "exabgp")] * wrong


def test_setpriv_is_missed() -> None:
    assert kinds(bad(machine(setpriv=False))) == [("warning", "setpriv")]


def test_a_configuration_that_cannot_be_used_is_one_line_and_what_depends_on_it_is_not_looked_at() -> None:
    facts = Facts(
        Configured("/etc/pointsman", errors=2, first="network.yaml: there is no file"), settings=WELL.settings
    )
    wrong, unseen = bad(facts, Wanted())
    assert str(wrong).splitlines() == [
        "configuration: /etc/pointsman cannot be used, 2 errors: network.yaml: there is no file",
        "    mend: pointsman check /etc/pointsman; another directory: pointsman doctor --config DIR",
    ]
    assert unseen.severity is Severity.UNSEEN


def test_warnings_of_the_configuration_are_one_line_too() -> None:
    warned = machine(configured=Configured("/etc/pointsman", warnings=1, first="network.yaml:1:1: warning: odd"))
    finding = the_one(warned)
    assert finding.severity is Severity.WARNING
    assert finding.text == "/etc/pointsman can be used, with 1 warning: network.yaml:1:1: warning: odd"


def test_a_network_without_branches_is_well() -> None:
    empty = Intent("kencana", "Asia/Jakarta", HUB, {})
    assert bad(WELL, Wanted(intent=empty)) == []
