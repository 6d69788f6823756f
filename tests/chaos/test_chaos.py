"""A few episodes of chaos, from a fixed seed; `scripts/chaos` runs as many as one likes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from chaos_faults import LONGEST_EPISODE, OF_PROCESSES, Kind, episode

TUNNELS = ("bird/fiber", "bird/wireless", "frr/fiber", "frr/wireless")


def test_the_same_seed_gives_the_same_faults() -> None:
    one, other = random.Random(7), random.Random(7)
    assert [episode(one, TUNNELS, ["isp:telkom"]) for _ in range(20)] == [
        episode(other, TUNNELS, ["isp:telkom"]) for _ in range(20)
    ]


def test_every_kind_of_fault_comes_up_and_every_fault_ends() -> None:
    number = random.Random(1)
    faults = [fault for _ in range(500) for fault in episode(number, TUNNELS, ["isp:telkom"])]
    assert {fault.kind for fault in faults} == set(Kind)
    assert all(0 < fault.begins < fault.ends <= LONGEST_EPISODE for fault in faults)


def test_a_process_suffers_one_fault_at_a_time() -> None:
    number = random.Random(2)
    for _ in range(500):
        struck = [fault.target for fault in episode(number, TUNNELS, []) if fault.kind in OF_PROCESSES]
        assert len(struck) == len(set(struck))


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_few_episodes_violate_nothing() -> None:
    program = Path(__file__).with_name("chaos.py")
    command = [sys.executable, str(program), "--seed", "4", "--episodes", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
