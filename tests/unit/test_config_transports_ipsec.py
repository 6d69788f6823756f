"""IPsec as it is written: its usual MTU, and what RouterOS cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, reading, said

from policies.model.ids import TunnelId

LOOPBACKS = ALLOCATIONS.replace("port: 51000", "port: 51000, loopbacks: 10.255.1.0/31").replace(
    "port: 51001", "port: 51001, loopbacks: 10.255.1.2/31"
)
BOTH = BANDUNG + "tunnels:\n  fiber: {transport: ipsec, to: telkom}\n  wireless: {transport: ipsec, to: TO}\n"


@pytest.mark.parametrize(
    ("to", "router", "warned"),
    [
        ("telkom", "", True),
        ("telkom", "router: {kind: routeros}\n", True),
        ("telkom", "router: {kind: frr}\n", False),
        ("telkom", "router: {kind: bird}\n", False),
        ("biznet", "router: {kind: routeros}\n", False),
    ],
)
def test_two_ike_peers_of_one_hub_address_are_a_warning_unless_the_router_is_a_linux(
    tmp_path: Path, to: str, router: str, warned: bool
) -> None:
    text = BOTH.replace("TO", to) + router
    problems = said(reading(tmp_path, {"branches/bandung.yaml": text, "allocations.yaml": LOOPBACKS}))
    assert ("are IPsec to one hub address, that of telkom" in problems) is warned


@pytest.mark.parametrize(
    ("written", "mtu"),
    [
        ("{transport: wireguard}", 1420),
        ("{transport: ipsec}", 1390),
        ("{transport: ipsec, inner: vxlan}", 1350),
        ("{transport: ipsec, inner: xfrm}", 1400),
        ("{transport: ipsec, mtu: 1300}", 1300),
    ],
)
def test_what_passes_whole_depends_on_what_is_inside(tmp_path: Path, written: str, mtu: int) -> None:
    files = {"branches/bandung.yaml": f"{BANDUNG}tunnels: {{fiber: {written}}}\n", "allocations.yaml": LOOPBACKS}
    intent = reading(tmp_path, files).intent
    assert intent is not None
    assert intent.tunnels()[TunnelId("bandung", "fiber")].mtu == mtu
