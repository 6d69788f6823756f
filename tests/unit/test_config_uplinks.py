"""Warned of with the reason: a keepalive too seldom for the NAT before a branch, a gateway that pins nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import NETWORK, reading, said

FILE = "as: 65001\nprefixes: [10.1.0.0/24]\nuplinks:\n  fiber: {{isp: telkom}}\n  wireless: {{isp: indosat{uplink}}}\n"
TUNNELS = "tunnels:\n  wireless: {{{tunnel}}}\n"


def warned(tmp_path: Path, uplink: str, tunnel: str) -> str:
    text = FILE.format(uplink=uplink) + (TUNNELS.format(tunnel=tunnel) if tunnel else "")
    return said(reading(tmp_path, {"branches/bandung.yaml": text}))


@pytest.mark.parametrize(
    ("uplink", "tunnel", "because"),
    [
        (", behind-nat: true", "keepalive: off", "keepalive of bandung/wireless is off, and wireless is behind NAT:"),
        (", behind-nat: true", "keepalive: 26s", "keepalive of bandung/wireless is 26s, and wireless is behind NAT:"),
        (", kind: lte", "keepalive: 60s", "wireless is of kind lte, where there is NAT:"),
        (", kind: 5g", "keepalive: 60s", "wireless is of kind 5g, where there is NAT:"),
        (", kind: wireless, metered: true", "keepalive: off", "wireless is metered, as mobile lines are,"),
    ],
)
def test_silence_that_nat_does_not_outlive_is_warned_of(tmp_path: Path, uplink: str, tunnel: str, because: str) -> None:
    found = warned(tmp_path, uplink, tunnel)
    assert because in found
    assert found.startswith("branches/bandung.yaml:7:")
    assert "mend: write 25s or less" in found


@pytest.mark.parametrize(
    ("uplink", "tunnel"),
    [
        (", behind-nat: true", ""),
        (", behind-nat: true", "keepalive: 25s"),
        (", behind-nat: true", "existing: wg-old"),
        (", kind: wireless", "keepalive: off"),
    ],
    ids=["the usual one", "often enough", "not ours", "no NAT"],
)
def test_what_suffices_is_not(tmp_path: Path, uplink: str, tunnel: str) -> None:
    assert "keepalive" not in warned(tmp_path, uplink, tunnel)


@pytest.mark.parametrize(("interface", "warned"), [("interface: eth0, ", False), ("", True)])
def test_a_gateway_without_an_interface_pins_nothing(tmp_path: Path, interface: str, warned: bool) -> None:
    network = NETWORK.replace("interface: eth0, ", f"{interface}gateway: dhcp, ")
    found = said(reading(tmp_path, {"network.yaml": network}))
    assert ("uplink telkom has a gateway and no interface" in found) is warned
    assert not warned or found.startswith("network.yaml:9:")
