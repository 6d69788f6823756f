"""A keepalive that comes too seldom for the NAT before a branch is warned of, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import reading, said

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
