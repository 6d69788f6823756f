"""Labs for the tests: small, without the hub's processes, always taken down."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hub.config import read
from hub.lab import build
from hub.lab.names import LabPlace, lab_place
from hub.lab.namespaces import existing, inside
from hub.lab.network import HQ_HOST, HUB, Network
from hub.lab.plan import plan
from hub.lab.record import Lab
from hub.lab_overrides import TIMERS, LabOverrides, overridden

EXAMPLE = Path(__file__).parents[2] / "config" / "eight-branches"


def network(*branches: str) -> Network:
    """The example's network with these branches only, and fast timers."""
    intent = read(EXAMPLE).intent
    assert intent is not None
    chosen = replace(intent, branches={name: intent.branches[name] for name in branches})
    return plan(overridden(chosen, LabOverrides(timers=TIMERS["fast"])))


def unique_place(what: str) -> LabPlace:
    """The place of a lab that nobody else has."""
    return lab_place(f"t{os.getpid()}{what}")


@contextmanager
def lab_of(what: str, *branches: str) -> Iterator[Lab]:
    """A lab of some branches of the example, as `lab_without_hub`."""
    with lab_without_hub(what, network(*branches), EXAMPLE) as lab:
        yield lab


@contextmanager
def lab_without_hub(what: str, planned: Network, configuration: Path) -> Iterator[Lab]:
    """A lab that is up, without the hub's processes; the hub's routes to the branches are there by hand."""
    place = unique_place(what)
    try:
        lab = build.up(planned, place, configuration=configuration, with_hub=False)
        for branch in lab.network.branches:
            device = branch.tunnels[0].hub_interface
            for prefix in branch.prefixes:
                assert succeeds(lab, HUB, "ip", "route", "add", prefix, "dev", device)
        yield lab
    finally:
        build.down(place)
        assert not existing(place)


def output(lab: Lab, node: str, *command: str) -> str:
    """What a command prints in a node."""
    return subprocess.run(inside(lab.place, node, command), capture_output=True, text=True, timeout=30).stdout


def succeeds(lab: Lab, node: str, *command: str) -> bool:
    """Whether a command in a node exits with 0."""
    return subprocess.run(inside(lab.place, node, command), capture_output=True, timeout=30).returncode == 0


def answers(lab: Lab, branch: str, node: str = HQ_HOST) -> bool:
    """Whether the branch's host answers one ping within a second."""
    site = lab.network.branch(branch)
    assert site is not None
    return succeeds(lab, node, "ping", "-q", "-c", "1", "-W", "1", site.lan.host_address)


def wait_until(condition: Callable[[], bool], patience: float = 20) -> None:
    """Come back when it is so; fail if it is not in time."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
