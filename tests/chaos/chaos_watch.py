"""Watching over the hub's log and processes, without a moment in which nobody looks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from chaos_deaths import unexplained
from chaos_faults import PROCESSES, Fault
from running_hub import RunningHub


class Watch:
    """A Watch tells what happened to the hub's processes since it was last asked, or since the hub was started."""

    def __init__(self, hub: RunningHub) -> None:
        self._hub = hub
        self._read = 0
        self._processes = processes(hub)

    def unexplained(self, faults: Sequence[Fault]) -> list[str]:
        """The deaths that these faults, which are all that there were in the meantime, do not explain."""
        log, before = self._hub.log(), self._processes
        whole = log.rfind("\n") + 1
        new, self._read, self._processes = log[self._read : whole], whole, processes(self._hub)
        return unexplained(new, faults, before, self._processes)


def processes(hub: RunningHub) -> dict[str, int]:
    """The process ids of all of the hub's processes, by name; 0 where there is none."""
    return {name: process_of(hub, name) for name in PROCESSES}


def process_of(hub: RunningHub, name: str) -> int:
    """The process id of one of them; 0 if there is none."""
    with contextlib.suppress(OSError, ValueError):
        return hub.relay() if name == "relay" else hub.pid(name)
    return 0
