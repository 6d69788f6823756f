"""One cut of the preferred tunnel, and everything that is measured of it.

Outages are those of a stream of UDP packets each way, one a millisecond (`hub.lab.outages`). The reaction is the time
from the hub's loss of liveness (`failover_reaction`) to the first message of the kernel that the branch's route, or
nexthop, now is over the other tunnel (`failover_monitor`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from failover_hubs import HOLD_SECONDS, KEEPALIVE_SECONDS
from failover_network import BRANCH, Wanted
from failover_site import Site

from hub.lab import disturb
from hub.lab.disturbances import Direction as Cut
from hub.lab.outages import Direction
from hub.lab.probe import Probe

PROBE_INTERVAL = 0.001
QUIET_BEFORE = 0.5
"""Seconds of probing before the earliest moment of a cut."""


@dataclass(frozen=True, slots=True)
class Way:
    """A Way is one direction of a cut: its outages (ms), packets sent and lost, whether all outages ended."""

    outages_ms: tuple[float, ...]
    sent: int
    lost: int
    ended: bool
    resolution_ms: float

    @property
    def longest_ms(self) -> float:
        """The longest outage, 0 if there was none; of one that did not end, what was seen of it."""
        return max(self.outages_ms, default=0.0)


@dataclass(frozen=True, slots=True)
class CutResult:
    """A CutResult is one cut: both ways, the reaction (None where no loss of liveness or no move was seen), failback.

    `phase` is how long after the earliest moment it came, in seconds; `back` is how long from healing until all was
    well again. The ways of the failback are from healing until then.
    """

    hub: str
    number: int
    phase: float
    to_branch: Way
    to_hub: Way
    detected_ms: float | None
    reaction_ms: float | None
    back: float
    failback_to_branch: Way
    failback_to_hub: Way

    @property
    def ended(self) -> bool:
        """Whether every outage ended while the tunnel was still cut."""
        return self.to_branch.ended and self.to_hub.ended


def one_cut(site: Site, number: int, cut: Cut, wanted: Wanted, chance: random.Random) -> CutResult:
    """Cut, wait, heal, wait until all is well, and measure.

    Raises:
        LabError: it never became well again, or the probe ended.
    """
    site.wait_until_well()
    phase = chance.uniform(0, KEEPALIVE_SECONDS if site.kind.slow else max(0.2, 2 * wanted.detection))
    probe = Probe()
    probe.start(site.lab, (BRANCH,), PROBE_INTERVAL)
    try:
        time.sleep(QUIET_BEFORE + phase)
        wall_ahead = time.time() - time.monotonic()
        at = time.monotonic()
        probe.mark("cut")
        disturb.cut(site.lab, site.preferred.name, cut)
        time.sleep(length_of(site, wanted))
        probe.mark("heal")
        healing = time.monotonic()
        disturb.heal(site.lab, site.preferred.name)
        site.wait_until_well()
        probe.mark("well")
        back = time.monotonic() - healing
        during, after = probe.report("cut", "heal")[BRANCH], probe.report("heal", "well")[BRANCH]
    finally:
        probe.stop()
    lost_at = _first([moment for moment in site.losses(wall_ahead) if at <= moment < healing])
    moved = _first([change.at / 1e9 for change in site.changes_to_other(at) if change.at / 1e9 < healing])
    return CutResult(
        hub=site.kind.name,
        number=number,
        phase=phase,
        to_branch=_way(during.to_branch),
        to_hub=_way(during.to_hub),
        detected_ms=None if lost_at is None else (lost_at - at) * 1000,
        reaction_ms=None if lost_at is None or moved is None else (moved - lost_at) * 1000,
        back=back,
        failback_to_branch=_way(after.to_branch),
        failback_to_hub=_way(after.to_hub),
    )


def length_of(site: Site, wanted: Wanted) -> float:
    """Seconds for which a tunnel stays cut: long enough for every outage to end."""
    return HOLD_SECONDS + 3.0 if site.kind.slow else max(2.0, 6 * wanted.detection)


def rounds(cuts: int, slow_cuts: int) -> list[bool]:
    """For every round of cuts, whether hubs that only a hold timer tells take part: evenly spread."""
    slow = min(slow_cuts, cuts)
    return [position * slow // cuts != (position + 1) * slow // cuts for position in range(cuts)]


def _way(direction: Direction) -> Way:
    return Way(
        tuple(outage.length_ms for outage in direction.outages),
        direction.sent,
        direction.lost,
        all(outage.ended for outage in direction.outages),
        direction.resolution_ms,
    )


def _first(moments: Sequence[float]) -> float | None:
    return min(moments, default=None)
