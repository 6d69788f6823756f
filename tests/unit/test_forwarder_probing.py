"""Which address of ours return-path probes come from."""

from __future__ import annotations

import socket

import pytest

from hub.forwarder import probing
from hub.forwarder.liveness.model import Version
from hub.forwarder.netlink.links import LocalAddress
from hub.forwarder.orders import Probe

PROBE = Probe(("10.0.0.0/16", "2001:db8::/48"), "10.0.0.1")


def own(*texts: str) -> list[LocalAddress]:
    return [
        LocalAddress(1, socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)) for text in texts
    ]


@pytest.mark.parametrize(
    ("version", "addresses", "source"),
    [
        (4, own("10.0.0.9", "10.0.0.1"), "10.0.0.1"),
        (4, own("10.0.0.9", "10.0.0.8", "192.168.0.1"), "10.0.0.8"),
        (4, own("192.168.0.1"), None),
        (4, own("2001:db8::1"), None),
        (6, own("10.0.0.1", "2001:db8::9", "2001:db8::8", "fe80::1"), "2001:db8::8"),
        (6, own("10.0.0.1", "2001:db9::1"), None),
    ],
)
def test_the_probe_has_an_own_address_within_the_announced_prefixes(
    version: Version, addresses: list[LocalAddress], source: str | None
) -> None:
    assert probing.source(PROBE, version, addresses) == source
    assert bool(probing.problem(PROBE, version, source)) == (source is None)


def test_our_end_of_a_tunnel_is_never_the_source_for_the_branch_has_it_connected() -> None:
    addresses = own("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2")
    links = {addresses[0].address, addresses[2].address}
    assert probing.source(Probe(PROBE.prefixes), 4, addresses, links) == "10.0.0.2"
    assert probing.source(PROBE, 6, addresses, links) == "2001:db8::2"


def test_an_address_that_lasts_is_taken_before_one_that_expires_and_never_one_that_is_not_ours_yet() -> None:
    address = [each.address for each in own("2001:db8::1", "2001:db8::2", "2001:db8::3")]
    found = [
        LocalAddress(1, address[0], usable=False),
        LocalAddress(1, address[1], lasting=False),
        LocalAddress(1, address[2]),
    ]
    assert probing.source(PROBE, 6, found) == "2001:db8::3"
    assert probing.source(PROBE, 6, found[:2]) == "2001:db8::2"
    assert probing.source(PROBE, 6, found[:1]) is None


@pytest.mark.parametrize(("version", "typed"), [(4, "ip addr add 10.0.0.1/32 dev lo"), (6, "2001:db8::1/128 dev lo")])
def test_the_mend_for_a_missing_probe_address_can_be_typed(version: Version, typed: str) -> None:
    (problem,) = probing.problem(Probe(PROBE.prefixes), version, None).values()
    assert typed in problem.mend


def test_without_prefixes_of_a_version_nothing_is_missing() -> None:
    assert probing.problem(Probe(("10.0.0.0/16",)), 6, None) == {}
