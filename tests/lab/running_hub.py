"""A lab of two branches with the whole hub in it: bandung has BFD, tegal has not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from lab_world import EXAMPLE, unique_place

from hub.config import read
from hub.control.client import NotRunningError, RefusedError, ask_controller
from hub.lab import build
from hub.lab.hub_processes import hub_command
from hub.lab.namespaces import inside
from hub.lab.network import HUB
from hub.lab.outages import Direction
from hub.lab.plan import hub_uplinks, plan
from hub.lab.probe import SETTLE, Probe, ProbeReport
from hub.lab.readiness import hub_report, missing
from hub.lab.record import Lab
from hub.lab_overrides import TIMERS, LabOverrides, overridden

BRANCHES = ("bandung", "tegal")
HOLD = timedelta(seconds=2)
INTERVAL = 0.005
PATIENCE = 40.0
"""Seconds until what is waited for must have happened, on machines of usual speed."""

Report = Mapping[str, Any]


def copy_of_two_branches(directory: Path) -> Path:
    """A configuration directory with two branches of the example."""
    (directory / "branches").mkdir(parents=True)
    for name in ("network.yaml", "allocations.yaml", *(f"branches/{branch}.yaml" for branch in BRANCHES)):
        shutil.copy(EXAMPLE / name, directory / name)
    return directory


@dataclass(frozen=True)
class RunningHub:
    """A RunningHub is a lab with its hub, and what a test asks of it."""

    lab: Lab
    overrides: LabOverrides
    patience: float = PATIENCE

    def report(self) -> Report:
        return ask_controller(self.lab.place.run / "control.sock", {"ask": "status"})

    def branch(self, name: str) -> Report:
        return next(b for b in self.report()["branches"] if b["branch"] == name)

    def wait_for(self, condition: Callable[[Report], bool], what: str, patience: float | None = None) -> None:
        deadline = time.monotonic() + (patience or self.patience)
        while not self._holds(condition):
            assert time.monotonic() < deadline, f"not in time: {what}; {self._lacking()}\n{self.log()[-4000:]}"
            time.sleep(0.05)

    def _lacking(self) -> list[str]:
        return missing(hub_report(self.lab.place))

    def _holds(self, condition: Callable[[Report], bool]) -> bool:
        try:
            return condition(self.report())
        except (NotRunningError, RefusedError):
            return False

    def wait_until_well(self) -> None:
        self.wait_for(all_well, "all tunnels and sessions up, every branch on its preferred tunnel, both ways")

    def wait_until_on(self, branch: str, tunnel: str) -> None:
        def there(report: Report) -> bool:
            found = next(b for b in report["branches"] if b["branch"] == branch)
            return found["on"] == tunnel and found["uses"] is not None and found["uses"]["tunnel"] == tunnel

        self.wait_for(there, f"{branch} on {tunnel}, both ways")

    def pid(self, name: str) -> int:
        return int((self.lab.place.run / f"{name}.pid").read_text())

    def supervisor(self) -> int:
        return parent_of(self.pid("forwarder"))

    def relay(self) -> int:
        """ExaBGP's only child; 0 while it is being started again."""
        return next(iter(children_of(self.pid("exabgp-1"))), 0)

    def is_back(self, name: str, before: int) -> Callable[[Report], bool]:
        return lambda _report: self.pid(name) != before and is_alive(self.pid(name))

    def start_again(self) -> None:
        """The supervisor anew, as a service manager would start it."""
        command = hub_command(self.lab.place, self.lab.configuration, self.overrides)
        with (self.lab.place.logs / "hub.log").open("ab") as log:
            subprocess.run(inside(self.lab.place, HUB, ["setsid", "-f", *command]), stdout=log, stderr=log, check=True)

    def log(self) -> str:
        return (self.lab.place.logs / "hub.log").read_text()

    @contextmanager
    def probing(self, *branches: str, interval: float = INTERVAL, settle: float = SETTLE) -> Iterator[Probe]:
        """Packets both ways; what has not arrived `settle` seconds after it was sent is lost."""
        probe = Probe()
        probe.start(self.lab, branches, interval, settle=settle)
        try:
            yield probe
        finally:
            probe.stop()


@contextmanager
def running_hub(
    what: str, configuration: Path, timers: str | None = "fast", patience: float = PATIENCE
) -> Iterator[RunningHub]:
    """A lab that is up and well; taken down afterwards. On a busy machine fast timers end tunnels that are well.

    Without `timers` they are what the configuration says.
    """
    intent = read(configuration).intent
    assert intent is not None
    overrides = LabOverrides(TIMERS[timers] if timers else None, HOLD)
    place = unique_place(what)
    try:
        built = build.up(plan(overridden(intent, overrides)), place, configuration=configuration, overrides=overrides)
        hub = RunningHub(built, replace(overrides, uplinks=hub_uplinks(built.network)), patience)
        hub.wait_until_well()
        yield hub
    finally:
        build.down(place)


def all_well(report: Report) -> bool:
    return all(
        b["on"] is not None
        and b["on"] == b["preferred"]
        and b["uses"] is not None
        and b["uses"]["tunnel"] == b["on"]
        and all(t["liveness"] == "up" and t["session"] == "up" and t["med"] == t["med_wanted"] for t in b["tunnels"])
        for b in report["branches"]
    )


def ways(seen: Mapping[str, ProbeReport]) -> list[Direction]:
    return [way for branch in seen.values() for way in (branch.to_branch, branch.to_hub)]


def lost(seen: Mapping[str, ProbeReport]) -> int:
    return sum(way.lost for way in ways(seen))


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
