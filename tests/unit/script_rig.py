"""Policy scripts in a directory of their own, run by real workers; and situations to ask about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hub.scripts.limits import Limits
from hub.scripts.scripts import Scripts
from policies.model.view import LivenessState
from policies.scripts.api import BranchSituation, NetworkSituation, TunnelSituation
from policies.scripts.situation import Situations

WALL = datetime(2026, 3, 2, 9, 30, tzinfo=timezone(timedelta(hours=7)))
NETWORK = NetworkSituation(name="kencana", wall=WALL, branches=("bandung", "bogor", "solo"))
QUICK = Limits(patience=200.0, pause=0.01, first_wait=0.05, longest_wait=0.2, look=0.05)
"""Quick to look and to begin again; by the wall clock with all the patience that a busy machine needs."""

HEAD = "from policies.scripts import Adjustment, HealthState, LivenessState, Metered, steady_number\n"
PREFER_LTE = HEAD + 'def adjust(branch, network):\n    return Adjustment(prefer=("lte",), reason="always lte")\n'
PREFER_FIBER = PREFER_LTE.replace("lte", "fiber")
OS = "import enum\nos = enum.sys.modules['os']\n"
"""How a script that means harm comes by what it may not import."""


def a_branch(name: str = "bandung", **fiber: Any) -> BranchSituation:
    """A branch on fiber with LTE beside it; `fiber` changes the first."""
    first = TunnelSituation(name="fiber", kind="fiber", isp="telkom", hub_uplink="telkom", active=True, rank=0)
    second = TunnelSituation(name="lte", kind="lte", isp="indosat", hub_uplink="biznet", metered=True, rank=1)
    return BranchSituation(name=name, wall=WALL, tunnels=(replace(first, **fiber), second))


def fiber_down(name: str = "bandung") -> BranchSituation:
    """The same, its fiber dead."""
    return a_branch(name, liveness=LivenessState.DOWN)


def under(script: str, *branches: BranchSituation) -> dict[str, dict[str, BranchSituation]]:
    """These branches under one script."""
    return {script: {branch.name: branch for branch in branches}}


class Rig:
    """A Rig is a running Scripts, what it said, and what it told the loop."""

    def __init__(
        self,
        directory: Path,
        limits: Limits = QUICK,
        memory: Path | None = None,
        source: Callable[[], Path] | None = None,
    ) -> None:
        self.directory = directory
        self.said: list[str] = []
        self.told: list[frozenset[str]] = []
        (directory / "policies").mkdir(exist_ok=True)
        self.scripts = Scripts(source or (lambda: directory), memory, self.said.append, self.told.append, limits)

    def write(self, name: str, text: str) -> None:
        """A script's file, replaced as an editor does it."""
        fresh = self.directory / f"{name}.fresh"
        fresh.write_text(text)
        fresh.replace(self.directory / "policies" / name)

    def want(self, *by_script: dict[str, dict[str, BranchSituation]], network: NetworkSituation = NETWORK) -> None:
        """These situations from now on."""
        self.scripts.want(Situations(network, {name: said for one in by_script for name, said in one.items()}))

    def reasons(self) -> dict[str, str]:
        """The reason of every adjustment."""
        return {name: adjustment.reason for name, adjustment in self.scripts.adjustments.items()}

    def pid_of(self, script: str) -> int | None:
        """The process of a script's worker, None while it has none."""
        keeper = self.scripts._keepers.get(script)
        return keeper._worker.pid if keeper is not None and keeper._worker is not None else None

    def texts(self) -> str:
        """All problems."""
        return "\n".join(text for text, _ in self.scripts.problems.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Rig]:
        """Run it for a while."""
        task = asyncio.create_task(self.scripts.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds, as long as it takes to start some processes on a busy machine."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.01)


def printed(said: Iterable[str]) -> list[str]:
    """What scripts printed."""
    return [line.partition(" printed: ")[2] for line in said if " printed: " in line]
