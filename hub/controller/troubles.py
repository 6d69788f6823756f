"""What is wrong that takes long to be sure of: told once when it begins and once when it is over.

It is what targets, checks and uplinks of the hub say, branches that stay on a lesser tunnel, and tunnels that share
their fate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hub.controller.fates import FateWatch
from hub.controller.meter import Meter
from hub.interface_counters import interface_bytes
from policies.arrivals import Ways
from policies.blame import check_faults
from policies.model.clock import Instant, Now
from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.outer_path import OuterPath
from policies.model.overrides import Overrides
from policies.model.view import View
from policies.off_preferred import Carried, OffPreferred, fault_of, off_preferred
from policies.overrides.schedule import drained_by

LOOK_SECONDS = 2.0
"""How often to look: what is told here takes half a minute to be sure."""
STAYS_SECONDS = 120.0
"""How long a branch must be seen to stay on a lesser tunnel, without that being meant, for it to be a fault.

When a switch, a rule or a freeze ends, it was on it for long, and goes back: that takes seconds, and twice as long as
the retry of a move at most.
"""
_JUDGED = {
    "targets": "targets and checks",
    "off-preferred": "who stays on a lesser tunnel",
    "shared-fate": "which tunnels share their fate",
}
_WITH_MEND = ("off-preferred:", "shared-fate:")


@dataclass(frozen=True, slots=True)
class Believed:
    """A Believed is what is looked at, all of one moment; `overrides` are those in force at it.

    `endpoints` are the outer ones of the tunnels' far ends, `ADDRESS:PORT`, where they are known. `never_up` are the
    tunnels that were not up yet, as far back as is remembered.
    """

    intent: Intent
    view: View
    overrides: Overrides
    now: Now
    endpoints: Mapping[TunnelId, str] = field(default_factory=dict)
    never_up: frozenset[TunnelId] = frozenset()


class Trouble(Protocol):
    """A Trouble is one thing that is wrong; `key` names it for good, `text` may change its figures."""

    @property
    def key(self) -> str:
        """What names it."""

    @property
    def text(self) -> str:
        """What is wrong."""

    @property
    def mend(self) -> str:
        """What helps."""


class Troubles:
    """A Troubles looks at what was believed at a moment, beside the loop, and remembers what it has told."""

    def __init__(
        self,
        believed: Callable[[], Believed],
        say: Callable[[str], None],
        count: Callable[[], Mapping[str, int]] = interface_bytes,
    ) -> None:
        """`count` has the bytes of every interface."""
        self.believed = believed
        self._say = say
        self._count = count
        self.fates = FateWatch(None, say)
        self.paths: Callable[[], Mapping[TunnelId, OuterPath]] = dict
        """What traces to the far ends of tunnels say; a mapping that nobody changes."""
        self._meter = Meter()
        self._staying: dict[tuple[str, TunnelId], Instant] = {}
        self._troubles: dict[str, Trouble] = {}
        self._found: dict[str, tuple[Trouble, ...]] = {}
        self._own: dict[str, tuple[str, str]] = {}

    async def run(self) -> None:
        """Look again and again, in a thread, of values that nobody changes."""
        while True:
            self.take(await asyncio.to_thread(self.look, self.believed()))
            await asyncio.sleep(LOOK_SECONDS)

    def look(self, believed: Believed) -> tuple[Trouble, ...]:
        """All that is wrong by this, and from now on the bytes are counted that metered tunnels carry for nothing.

        Should one of the judgements fail, that is a problem, the other is made, and what was found before stands.
        """
        own: dict[str, tuple[str, str]] = {}
        judges = (self._targets, self._off_preferred, self._shared_fate)
        for what, judged in zip(_JUDGED, judges, strict=True):
            try:
                self._found[what] = tuple(judged(believed))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end what it is judged beside
                text = f"judging {_JUDGED[what]} failed: {type(error).__name__}: {error}; what was found before stands"
                own[what] = text, "a fault of Pointsman: please report it"
        self._own = own
        return tuple(trouble for found in self._found.values() for trouble in found)

    def _targets(self, believed: Believed) -> Iterable[Trouble]:
        return check_faults(believed.intent, believed.view, believed.now.monotonic, believed.never_up)

    def _off_preferred(self, believed: Believed) -> Iterable[Trouble]:
        intent, view, overrides, now = believed.intent, believed.view, believed.overrides, believed.now
        drained = drained_by(overrides, intent, now.wall)
        branches = intent.branches.values()
        off = [found for branch in branches for found in off_preferred(branch, view, overrides, drained, now)]
        self._meter.read(_metered(intent, off), self._count() if off else {}, now.monotonic)
        stays = self._stays(off, now.monotonic)
        return [fault_of(f, intent.branches[f.branch], view, self.carried.get(f.on), now) for f in stays]

    def _shared_fate(self, believed: Believed) -> Iterable[Trouble]:
        ways = Ways(believed.endpoints, self.paths())
        return self.fates.judge(believed.intent, believed.view, ways, believed.now)

    def _stays(self, off: Iterable[OffPreferred], now: Instant) -> list[OffPreferred]:
        """Those that are faults, and not about to end."""
        stuck = [found for found in off if not found.kept.meant]
        before, self._staying = self._staying, {}
        for found in stuck:
            key = found.key, found.better
            self._staying[key] = before.get(key, now)
        long = {key for key, since in self._staying.items() if now - since >= STAYS_SECONDS}
        return [found for found in stuck if found.is_fault(now) and (found.key, found.better) in long]

    def take(self, found: Iterable[Trouble]) -> None:
        """This is wrong now; what is news is told."""
        before, self._troubles = self._troubles, {trouble.key: trouble for trouble in found}
        for key, trouble in self._troubles.items():
            if key not in before:
                self._say(trouble.text + (f" (mend: {trouble.mend})" if key.startswith(_WITH_MEND) else ""))
        for key, trouble in before.items():
            if key not in self._troubles:
                self._say(f"over: {trouble.text}")

    @property
    def carried(self) -> Mapping[TunnelId, Carried]:
        """What metered tunnels carried since a better one was well."""
        return self._meter.carried

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Text and mend by a stable key, for `status`."""
        return {key: (trouble.text, trouble.mend) for key, trouble in self._troubles.items()} | self._own


def _metered(intent: Intent, off: Iterable[OffPreferred]) -> Mapping[TunnelId, str]:
    tunnels = intent.tunnels()
    return {found.on: tunnels[found.on].interface for found in off if tunnels[found.on].uplink.metered}
