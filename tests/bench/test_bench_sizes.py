"""The benches of size run and yield figures; a busy machine's times are no verdict."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bird"), reason="needs root and BIRD"),
]


def figures(path: Path, name: str, *options: str) -> Any:
    """What a bench wrote; its exit status is a verdict on times, and is not looked at."""
    command = [sys.executable, str(BENCH / name), *options, "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert path.exists(), f"{done.stdout}\n{done.stderr}"
    return json.loads(path.read_text())


def test_a_switch_is_measured_for_each_number_of_prefixes_and_way_of_notifying(tmp_path: Path) -> None:
    rows = figures(
        tmp_path / "f", "prefixes.py", "--rounds", "1", "--sizes", "5,200", "--modes", "0,2", "--routes", "0"
    )
    assert [(row["prefixes"], row["mode"]) for row in rows["switches"]] == [
        (5, "compat on"),
        (200, "compat on"),
        (5, "compat off"),
        (200, "compat off"),
    ]
    for row in rows["switches"]:
        assert [len(row[key]) for key in ("kernel", "told", "flowing", "first", "last")] == [1] * 5
        assert row["first"][0] > 0


def test_routes_that_come_in_are_watched_by_the_bfd_packets_meanwhile(tmp_path: Path) -> None:
    (one,) = figures(tmp_path / "f", "prefixes.py", "--rounds", "0", "--routes", "2000", "--classes", "2")["floods"]
    assert set(one["longest"]) == set(one["took"]) >= {"nothing happens", "they come in", "half of them go"}
    assert all(gap > 0 for gap in one["longest"].values())


def test_the_processor_time_of_sessions_is_measured_for_both_hubs(tmp_path: Path) -> None:
    costs = figures(tmp_path / "f", "sessions.py", "--sessions", "2", "--seconds", "2", "--rounds", "1")
    assert [(cost["hub"], cost["sessions"]) for cost in costs] == [("pointsman", 2), ("bird", 2)]
    assert all(cost["sent"] > 0 and cost["received"] > 0 for cost in costs)
