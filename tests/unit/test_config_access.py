"""What `check` says of prefixes that would let in too much, by a tunnel or to the hub itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, reading, said


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("0.0.0.0/0", "2:12: prefix 0.0.0.0/0: a branch announces its own networks, never the default route"),
        ("0.0.0.0/1", "2:12: prefix 0.0.0.0/1 is too wide for one site"),
        ("128.0.0.0/1", "2:12: prefix 128.0.0.0/1 is too wide for one site"),
        ("203.0.112.0/22", "2:12: prefix 203.0.112.0/22 of bandung holds the endpoint of biznet 203.0.113.2"),
        ("10.0.0.0/12", "prefix 10.0.0.0/16 lies inside 10.0.0.0/12 of bandung"),
    ],
)
def test_a_branch_whose_tunnels_could_bring_anything_is_refused(tmp_path: Path, prefix: str, expected: str) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": BANDUNG.replace("10.1.0.0/24", prefix)})
    assert expected in said(configuration)
    assert configuration.intent is None


def test_the_whole_of_ipv6_is_too_wide_too(tmp_path: Path) -> None:
    files = {
        "network.yaml": NETWORK.replace("[10.0.0.0/16]", '[10.0.0.0/16, "2001:db8::/48"]'),
        "branches/bandung.yaml": BANDUNG.replace("[10.1.0.0/24]", '[10.1.0.0/24, "8000::/1"]'),
    }
    assert "prefix 8000::/1 is too wide for one site" in said(reading(tmp_path, files))


@pytest.mark.parametrize(
    ("key", "what"),
    [("gateway: 192.0.2.1", "the gateway of telkom 192.0.2.1"), ("address: 192.0.2.9", "the hub's address on telkom")],
)
def test_outer_addresses_of_the_hub_lie_in_no_branch(tmp_path: Path, key: str, what: str) -> None:
    files = {
        "network.yaml": NETWORK.replace("interface: eth0,", f"interface: eth0, {key},"),
        "branches/bandung.yaml": BANDUNG.replace("10.1.0.0/24", "192.0.2.0/24"),
    }
    assert f"holds {what}" in said(reading(tmp_path, files))


def test_the_public_address_of_a_branch_lies_not_behind_its_own_tunnels(tmp_path: Path) -> None:
    branch = BANDUNG.replace("{isp: telkom}", "{isp: telkom, address: 10.1.0.9}")
    text = said(reading(tmp_path, {"branches/bandung.yaml": branch}))
    assert "holds the public address of its own uplink fiber, 10.1.0.9: tunnels would run into themselves" in text


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "::/0", "128.0.0.0/1"])
def test_management_from_everywhere_is_warned_of(tmp_path: Path, prefix: str) -> None:
    network = f'{NETWORK}security: {{management: ["{prefix}", 10.0.5.0/24]}}\n'
    configuration = reading(tmp_path, {"network.yaml": network})
    (problem,) = configuration.problems
    assert str(problem).startswith(f"network.yaml:12:25: warning: management: {prefix} is ")
    assert configuration.intent is not None


def test_a_network_of_management_is_written_once(tmp_path: Path) -> None:
    network = f"{NETWORK}security: {{management: [10.0.5.0/24, 10.0.5.0/24]}}\n"
    assert "12:38: management: 10.0.5.0/24 is here twice" in said(reading(tmp_path, {"network.yaml": network}))


def test_an_adopted_tunnel_without_its_addresses_is_warned_of(tmp_path: Path) -> None:
    configuration = reading(tmp_path, {"branches/bandung.yaml": f"{BANDUNG}tunnels: {{fiber: {{existing: wg7}}}}\n"})
    (problem,) = configuration.problems
    assert "6:29: warning: existing: wg7 is taken as it is, and its addresses are not written" in str(problem)
    assert configuration.intent is not None


def test_one_interface_is_one_tunnel(tmp_path: Path) -> None:
    tunnels = "tunnels: {fiber: {existing: wg7, link: 10.254.0.0/31}, wireless: {existing: wg7, link: 10.254.0.2/31}}"
    configuration = reading(tmp_path, {"branches/bandung.yaml": f"{BANDUNG}{tunnels}\n"})
    assert "existing: wg7 is also bandung/fiber (branches/bandung.yaml:6)" in said(configuration)
    assert configuration.intent is None


@pytest.mark.parametrize(
    ("interface", "expected", "mend"),
    [
        (
            "wg51001-bandung",
            "is what Pointsman makes for bandung/wireless (allocations.yaml:2)",
            "name an interface that somebody else made",
        ),
        (
            "wg51000-bandung",
            "is what Pointsman makes for bandung/fiber itself",
            "take existing: away, or name an interface that somebody else made",
        ),
        (
            "wg51002-tegal",
            "is what Pointsman makes for tegal/fiber (allocations.yaml:3)",
            "name an interface that somebody else made",
        ),
        (
            "eth1",
            "is the interface of the hub's uplink biznet (network.yaml:10)",
            "name an interface that somebody else made",
        ),
        ("lo", "is the hub's loopback, which is no tunnel", "name an interface that somebody else made"),
    ],
)
def test_an_interface_that_nobody_else_made_cannot_be_adopted(
    tmp_path: Path, interface: str, expected: str, mend: str
) -> None:
    tunnels = f"tunnels: {{fiber: {{existing: {interface}, link: 10.255.0.0/31}}}}"
    files = {
        "branches/bandung.yaml": f"{BANDUNG}{tunnels}\n",
        "allocations.yaml": f"{ALLOCATIONS}tegal/fiber: {{to: telkom, link: 10.255.0.4/31, port: 51002}}\n",
    }
    configuration = reading(tmp_path, files)
    (problem,) = (each for each in configuration.problems if "existing:" in each.text)
    assert str(problem).startswith("branches/bandung.yaml:6:")
    assert problem.text == f"existing: {interface} {expected}"
    assert problem.mend == mend
    assert configuration.intent is None
