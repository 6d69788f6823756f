"""The steering benchmark still runs: its short form, with real hubs, and nothing left behind.

How soon hubs move is not looked at here, nor how often: a busy machine sees deaths that are none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

BENCH = Path(__file__).with_name("steering.py")
SLOW_TIMERS = ("--interval", "100ms")
"""On a busy machine fast timers end tunnels that are well."""


def test_its_short_form_measures_a_bad_tunnel_and_a_drain_and_leaves_nothing(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    command = [sys.executable, str(BENCH), "--short", *SLOW_TIMERS, "--json", str(written)]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said, complaint = bench.communicate(timeout=180)
    assert bench.returncode == 0, said + complaint
    value = json.loads(written.read_text())
    assert [(one["hub"], one["measure"]) for one in value["left"]] == [
        ("pointsman", "loss 30 % each way"),
        ("bird", "loss 30 % each way"),
    ]
    assert value["left"][0]["moves_hub"][0][1] == value["left"][0]["moves_branch"][0][1] == "wireless"
    assert all(one["lost"] > 0 for one in value["left"])
    assert [one["measure"] for one in value["planned"]] == ["drain", "undrain"]
    for one, tunnel in zip(value["planned"], ("wireless", "fiber"), strict=True):
        assert one["moves_hub"][-1][1] == one["moves_branch"][-1][1] == tunnel
        assert min(one["sent_to_branch"], one["sent_to_hub"]) >= 1000
    assert not [path for path in Path("/run/netns").iterdir() if f"steer{bench.pid}" in path.name]
