"""The processors under a lab: how busy they are, and who of the lab goes first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

Ticks = tuple[int, int]
"""(busy, all) ticks of all processors since the machine started."""
FULL = 0.9
"""The share from which on a lab says that its figures are not worth much."""


def processor_ticks(stat: str | None = None) -> Ticks:
    """What /proc/stat says now, or a text of it (proc_stat(5))."""
    text = Path("/proc/stat").read_text() if stat is None else stat
    ticks = [int(word) for word in text.splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def processor_use(since: Ticks, now: Ticks | None = None) -> float:
    """The share of all processors that was busy since `processor_ticks` said this, from 0 to 1."""
    busy, total = (after - before for after, before in zip(now or processor_ticks(), since, strict=True))
    return busy / total if total else 0.0


def put_ahead(pids: Iterable[int]) -> None:
    """Real-time priority for routers and lines: they stand for other machines, which this one's load must not starve.

    Without the right to that a measurement is only noisier.
    """
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(PermissionError, ProcessLookupError):
                    os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))
