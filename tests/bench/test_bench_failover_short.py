"""The failover benchmark still runs: its short form, with real hubs, and nothing left behind.

How long outages are is not looked at here, nor how many: a busy machine sees deaths that are none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

BENCH = Path(__file__).with_name("failover.py")
SLOW_TIMERS = ("--interval", "100ms")
"""On a busy machine fast timers end tunnels that are well."""
HUBS = ("pointsman", "bird", "frr")


def test_its_short_form_measures_every_hub_both_ways_and_leaves_nothing(tmp_path: Path) -> None:
    written, drawn = tmp_path / "figures.json", tmp_path / "figures.svg"
    command = [sys.executable, str(BENCH), "--short", *SLOW_TIMERS, "--json", str(written), "--picture", str(drawn)]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said, complaint = bench.communicate(timeout=180)
    assert bench.returncode == 0, said + complaint
    value = json.loads(written.read_text())
    assert tuple(value["hubs"]) == HUBS
    for hub in value["hubs"].values():
        assert len(hub["cuts"]) == 2
        assert hub["packets_a_second"]["bfd sent"] > 0
        assert hub["packets_a_second"]["bfd received"] > 0
        for direction in ("hub to branch", "branch to hub"):
            figures = hub["directions"][direction]
            assert figures["n"] == 2
            assert figures["never_ended"] == 0
            assert figures["median"]["value"] > 0
        assert all(cut["reaction_ms"] is not None for cut in hub["cuts"])
    assert ET.parse(drawn).getroot().tag.endswith("svg")  # noqa: S314 - our own text
    assert not [path for path in Path("/run/netns").iterdir() if f"failover{bench.pid}x" in path.name]
