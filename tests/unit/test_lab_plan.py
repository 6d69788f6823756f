"""What the lab builds from a configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from lab_intent import BANDUNG, HUB, HUB_OF_BOTH, TEGAL, both_versions, intent, renamed, tunnel

from hub.branch_router.from_intent import by_preference
from hub.lab.names import LabError
from hub.lab.network import from_json, to_json
from hub.lab.plan import plan
from policies.model.intent import RouterKind, Session, SessionKind, Uplink


def test_every_site_has_a_router_and_a_host() -> None:
    nodes = plan(intent()).nodes()
    assert nodes == (
        "hub", "hq", "ix", "isp-biznet", "isp-indosat", "isp-telkom",
        "bandung", "bandung-host", "tegal", "tegal-host",
    )  # fmt: skip


def test_the_hub_has_its_router_id_and_the_host_the_next_address() -> None:
    lan = plan(intent()).hub.lan
    assert (lan.router_addresses, lan.host_addresses) == (("10.0.0.1/16",), ("10.0.0.2/16",))


def test_a_hub_interface_is_called_as_written_or_else_as_its_uplink() -> None:
    assert [uplink.interface for uplink in plan(intent()).hub.uplinks] == ["eth0", "biznet"]


def test_underlay_addresses_are_distinct_and_in_the_shared_range() -> None:
    addresses = [uplink.address for _, uplink in plan(intent()).customers()]
    assert len(set(addresses)) == len(addresses) == 6
    assert all(IPv4Address(address) in IPv4Network("100.64.0.0/10") for address in addresses)


def test_a_tunnel_ends_at_the_hub_uplink_that_is_written() -> None:
    network = plan(intent())
    by_name = {uplink.name: uplink.address for uplink in network.hub.uplinks}
    ends = {one.name: one.endpoint for _, one in network.tunnels()}
    assert ends["bandung/fiber"] == by_name["telkom"]
    assert ends["bandung/wireless"] == by_name["biznet"]


def test_each_uplink_of_a_site_has_a_mark_of_its_own() -> None:
    (bandung, _) = plan(intent()).branches
    assert len({uplink.mark for uplink in bandung.uplinks}) == 2
    assert {one.branch_mark for one in bandung.tunnels} == {uplink.mark for uplink in bandung.uplinks}


def test_metered_tunnels_come_last_whatever_their_name() -> None:
    assert [one.id.name for one in by_preference(TEGAL)] == ["radio", "fiber"]


def test_a_long_name_becomes_a_distinct_interface_of_fifteen_characters() -> None:
    names = ("a-very-long-uplink-name", "a-very-long-uplink-other")
    tunnels = tuple(
        tunnel(f"bandung/{name}", number, Uplink(name, "telkom", "fiber", metered=False))
        for number, name in enumerate(names)
    )
    (bandung,) = plan(intent(replace(BANDUNG, tunnels=tunnels))).branches
    interfaces = [one.branch_interface for one in bandung.tunnels] + [uplink.interface for uplink in bandung.uplinks]
    assert len(set(interfaces)) == 4
    assert max(map(len, interfaces)) <= 15


@pytest.mark.parametrize("name", ["hub", "hq", "ix", "isp-telkom"])
def test_a_branch_cannot_be_called_as_a_machine_of_the_lab(name: str) -> None:
    with pytest.raises(LabError, match=f'"{name}"'):
        plan(intent(renamed(BANDUNG, name)))


def test_a_hub_prefix_for_everything_is_no_local_network() -> None:
    hub = replace(HUB, prefixes=(IPv4Network("0.0.0.0/0"), IPv4Network("10.0.0.0/16")))
    network = plan(replace(intent(), hub=hub))
    assert network.hub.lan.router_addresses == ("10.0.0.1/16",)
    assert network.hub.prefixes == ("0.0.0.0/0", "10.0.0.0/16")


def test_a_site_without_room_for_a_host_is_refused() -> None:
    with pytest.raises(LabError, match="room for a host"):
        plan(intent(replace(BANDUNG, prefixes=(IPv4Network("10.1.0.1/32"),))))


@pytest.mark.parametrize(
    ("kind", "router"),
    [(RouterKind.FRR, "frr"), (RouterKind.BIRD, "bird"), (RouterKind.ROUTEROS, "bird"), (None, "bird")],
)
def test_frr_routes_where_it_is_written_and_bird_elsewhere(kind: RouterKind | None, router: str) -> None:
    (branch,) = plan(intent(replace(BANDUNG, router=kind))).branches
    assert branch.router == router


def test_a_branch_of_the_hubs_as_has_the_hubs_number() -> None:
    (branch,) = plan(intent(replace(BANDUNG, session=Session(SessionKind.IBGP)))).branches
    assert branch.asn == HUB.asn


def test_a_branch_of_both_versions_has_a_host_of_both() -> None:
    network = plan(replace(intent(both_versions(BANDUNG, 1), TEGAL), hub=HUB_OF_BOTH))
    bandung, tegal = network.branches
    assert bandung.lan.host_addresses == ("10.1.0.2/24", "2001:db8:1::2/64")
    assert bandung.lan.gateways == ("10.1.0.1", "2001:db8:1::1")
    assert (bandung.versions, tegal.versions) == ((4, 6), (4,))


def test_a_branch_reaches_what_it_is_told_and_of_its_own_versions() -> None:
    network = plan(replace(intent(both_versions(BANDUNG, 1), TEGAL), hub=HUB_OF_BOTH))
    bandung, tegal = network.branches
    assert bandung.reaches == ("10.0.0.0/16", "2001:db8::/64", "10.0.0.0/8", "2001:db8::/32")
    assert tegal.reaches == ("10.0.0.0/16", "10.0.0.0/8")


def test_a_branch_of_ipv6_alone_has_a_host() -> None:
    both = both_versions(BANDUNG, 1)
    (branch,) = plan(replace(intent(replace(both, prefixes=both.prefixes[1:])), hub=HUB_OF_BOTH)).branches
    assert (branch.lan.host_address, branch.reaches) == ("2001:db8:1::2", ("2001:db8::/64", "2001:db8::/32"))


def test_an_ipv6_prefix_without_ipv6_links_is_refused() -> None:
    branch = replace(BANDUNG, prefixes=both_versions(BANDUNG, 1).prefixes)
    with pytest.raises(LabError, match="bandung/fiber no IPv6 link"):
        plan(intent(branch))


def test_the_same_configuration_gives_the_same_network() -> None:
    assert plan(intent()) == plan(intent())


def test_the_record_of_a_network_reads_back_as_the_same_network() -> None:
    network = plan(replace(intent(both_versions(BANDUNG, 1), TEGAL), hub=HUB_OF_BOTH))
    assert from_json(json.loads(json.dumps(to_json(network)))) == network


@pytest.mark.parametrize("value", [None, [], {}, {"hub": 3}, {"hub": {}, "isps": 1, "branches": []}, "x"])
def test_anything_else_is_no_record(value: object) -> None:
    with pytest.raises(ValueError, match="not the record"):
        from_json(value)
