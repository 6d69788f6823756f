"""Whether outer packets leave by their uplink: what is counted, and what the counts say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hub.provisioner.uplinks.pins import Pin
from hub.provisioner.uplinks.watch import Watched, away_in, strays, table_body, watched_of
from hub.provisioner.wanted import NOTHING, WantedWireGuard

GOLDEN = Path(__file__).parents[1] / "golden" / "provisioner"


def wireguard(tunnel: str, uplink: str, port: int) -> WantedWireGuard:
    return WantedWireGuard(
        tunnel, f"wg-{port}", ("10.255.0.0/31",), 1420, uplink, 28673, port, (), None, 0, preshared=False
    )


def test_a_tunnel_is_watched_by_its_port_if_its_uplink_is_pinned() -> None:
    tunnels = (wireguard("bandung/fiber", "telkom", 51001), wireguard("bandung/wireless", "biznet", 51002))
    pins = (Pin("telkom", 28673, "eth0", "198.51.100.1"),)
    assert watched_of(replace(NOTHING, wireguard=tunnels), pins) == Watched({51001: "eth0"}, {})


def test_where_nothing_is_pinned_nothing_is_counted() -> None:
    assert table_body(Watched({}, {})) == ""


def test_the_table_for_nftables() -> None:
    body = table_body(Watched({51002: "eth1", 51001: "eth0"}, {"198.51.100.2": "eth0"}))
    assert body == (GOLDEN / "pins.nft").read_text()


def test_the_counts_are_read_from_what_nft_shows() -> None:
    element = {"elem": {"val": {"concat": [51001, "eth1"]}, "counter": {"packets": 7, "bytes": 700}}}
    shown = [{"table": {"name": "x"}}, {"set": {"name": "pinned", "elem": [{"concat": [51001, "eth0"]}]}}]
    assert away_in([*shown, {"set": {"name": "away", "elem": [element]}}, {"set": {"name": "away_addresses"}}]) == {
        ("51001", "eth1"): 7
    }


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({}, {}, {}),
        ({("51001", "eth1"): 7}, {("51001", "eth1"): 7}, {}),
        ({("51001", "eth1"): 7}, {("51001", "eth1"): 9}, {"51001": {"eth1": 2}}),
        ({}, {("51001", "eth1"): 2, ("51001", "eth2"): 1}, {"51001": {"eth1": 2, "eth2": 1}}),
        ({("51001", "eth1"): 7}, {("51001", "eth1"): 3}, {"51001": {"eth1": 3}}),
    ],
    ids=["none", "of before", "more", "by two interfaces", "counted anew"],
)
def test_what_left_elsewhere_since_the_last_look(
    before: dict[tuple[str, str], int], now: dict[tuple[str, str], int], found: dict[str, dict[str, int]]
) -> None:
    assert strays(before, now) == found
