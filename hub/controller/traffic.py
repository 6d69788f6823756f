"""How much traffic each branch has a day, by the kernel's counters of its tunnels' interfaces. For plans; about right.

What liveness, health probes and the looks for the path's MTU cost is taken off: on a quiet branch that is most of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hub.config.traffic import MONTH, monthly_bytes, monthly_look_bytes, monthly_probe_bytes
from hub.controller.loop import Loop
from hub.interface_counters import interface_bytes
from policies.forwarding import carrying
from policies.model.intent import Branch, Intent, Tunnel
from policies.model.view import View

DAY = 86_400.0
EVERY = 60.0
"""Seconds between two looks."""
SLICE = 600.0
"""Seconds that are remembered as one."""
LEAST = 3600.0
"""Seconds that must have been counted before a day is reckoned from them."""
INSIDE = 0.44
"""Of a small packet's bytes on the uplink, those that the interface of its tunnel counts: without WireGuard's own."""
LARGE_INSIDE = 0.96
"""The same of a packet of full size."""

Totals = Mapping[str, int]
"""Bytes received and sent since an interface was made, by its name."""


@dataclass(slots=True)
class _Counted:
    """The bytes of a branch, of slices of time: seconds, and bytes in them."""

    slices: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, seconds: float, counted: float) -> None:
        if self.slices and self.slices[-1][0] < SLICE:
            last = self.slices.pop()
            seconds, counted = last[0] + seconds, last[1] + counted
        self.slices.append((seconds, counted))
        while sum(each[0] for each in self.slices) - self.slices[0][0] > DAY:
            self.slices.popleft()

    @property
    def daily(self) -> float | None:
        seconds = sum(each[0] for each in self.slices)
        return sum(each[1] for each in self.slices) * DAY / seconds if seconds >= LEAST else None


class Traffic:
    """A Traffic remembers what the branches of a hub had in the last day, as long as this process lives."""

    def __init__(self, loop: Loop, read: Callable[[], Totals] = interface_bytes) -> None:
        self._loop = loop
        self._read = read
        self._last: tuple[float, Totals] | None = None
        self._counted: dict[str, _Counted] = {}
        self._daily: Mapping[str, float] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            at, intent, view = self._loop.now().monotonic, self._loop.intent, self._loop.view
            await asyncio.to_thread(lambda: self.take(self._read(), at, intent, view))  # noqa: B023 - it is waited for
            await asyncio.sleep(EVERY)

    def take(self, totals: Totals, at: float, intent: Intent, view: View) -> None:
        """What the counters say now. An interface that was made anew since begins anew. In a thread: it takes long."""
        self._count(totals, at, intent, view)
        found = {name: kept.daily for name, kept in self._counted.items()}
        self._daily = {name: daily for name, daily in found.items() if daily is not None}

    def _count(self, totals: Totals, at: float, intent: Intent, view: View) -> None:
        before, self._last = self._last, (at, totals)
        self._counted = {name: kept for name, kept in self._counted.items() if name in intent.branches}
        if before is None or at <= before[0]:
            return
        since, was = before
        for name, branch in intent.branches.items():
            ends = [(t, was[t.interface], totals[t.interface]) for t in branch.tunnels if _both(t, was, totals)]
            if ends:
                seconds = at - since
                counted = sum(max(0.0, now - then - _own(branch, t, view) * seconds) for t, then, now in ends)
                self._counted.setdefault(name, _Counted()).add(seconds, counted)

    def daily(self, intent: Intent) -> Mapping[str, float]:
        """Bytes a day of the branches of which they are known."""
        return {name: daily for name, daily in self._daily.items() if name in intent.branches}


def _both(tunnel: Tunnel, was: Totals, now: Totals) -> bool:
    name = tunnel.interface
    return name in was and name in now and now[name] >= was[name]


def _own(branch: Branch, tunnel: Tunnel, view: View) -> float:
    """Bytes a second of the hub's own packets inside the tunnel."""
    forwarding = carrying(branch, view)
    asked, probed = monthly_bytes(tunnel.liveness), monthly_probe_bytes(tunnel.liveness)
    in_use = forwarding is not None and forwarding.active == tunnel.id
    both = asked.active + probed.active if in_use else asked.idle + probed.idle
    return (both * INSIDE + monthly_look_bytes() * LARGE_INSIDE) / MONTH.total_seconds()
