"""Moves that somebody wants: drained, switched, another policy, back after a cut. Not a packet may be lost.

A UDP packet each way every millisecond, from the order on until so many were sent each way and the move is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from failover_network import BRANCH, OTHER, PREFERRED
from steering_disturbed import BEFORE, INTERVAL
from steering_site import Side, SteeringSite

from hub.lab import disturb
from hub.lab.probe import Probe, ProbeReport


@dataclass(frozen=True, slots=True)
class Planned:
    """A Planned is a move: from which tunnel to which, and who makes it. `others`: hubs but Pointsman can do it too."""

    name: str
    start: str
    end: str
    order: Callable[[SteeringSite], object]
    others: bool = False


def _heal(site: SteeringSite) -> None:
    disturb.heal(site.lab)


_TARGET = f"{BRANCH}/{PREFERRED}"
PLANNED = {
    one.name: one
    for one in (
        Planned("drain", PREFERRED, OTHER, lambda site: site.ask("drain", target=_TARGET, reason="bench")),
        Planned("ExaBGP killed while drained", OTHER, OTHER, SteeringSite.kill_speaker),
        Planned("undrain", OTHER, PREFERRED, lambda site: site.ask("undrain", target=_TARGET)),
        Planned("switch", PREFERRED, OTHER, lambda site: site.ask("switch", branch=BRANCH, to=OTHER)),
        Planned("unswitch", OTHER, PREFERRED, lambda site: site.ask("unswitch", branch=BRANCH)),
        Planned("another policy", PREFERRED, OTHER, lambda site: site.prefer(OTHER), others=True),
        Planned("the policy before", OTHER, PREFERRED, lambda site: site.prefer(PREFERRED), others=True),
        Planned("failback after a cut", OTHER, PREFERRED, _heal, others=True),
    )
}
CUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Moved:
    """A Moved is one planned move of one hub: packets each way, seconds until each kernel was there, all moves.

    `hub_took` and `branch_took` are None where that kernel did not move.
    """

    hub: str
    measure: str
    number: int
    sent_to_branch: int
    sent_to_hub: int
    lost_to_branch: int
    lost_to_hub: int
    hub_took: float | None
    branch_took: float | None
    moves_hub: tuple[tuple[float, str], ...]
    moves_branch: tuple[tuple[float, str], ...]

    @property
    def lost(self) -> int:
        """Packets lost both ways."""
        return self.lost_to_branch + self.lost_to_hub


def all_planned(sites: Sequence[SteeringSite], what: Planned, number: int, packets: int) -> list[Moved]:
    """Give the order to all hubs that know it, wait until the move is made and so many packets were sent each way.

    Raises:
        LabError: a move is not made in time, or a probe ended.
    """
    chosen = [site for site in sites if site.kind.is_pointsman or what.others]
    with ThreadPoolExecutor(max(1, len(chosen))) as pool:
        return list(pool.map(lambda site: _one_planned(site, what, number, packets), chosen))


def _one_planned(site: SteeringSite, what: Planned, number: int, packets: int) -> Moved:
    if what.start == PREFERRED:
        site.wait_until_well()
    elif what.order is _heal:
        disturb.cut(site.lab, site.preferred.name)
        time.sleep(CUT_SECONDS)
    probe = Probe()
    probe.start(site.lab, (BRANCH,), INTERVAL)
    try:
        time.sleep(BEFORE)
        probe.mark("order")
        at = time.monotonic()
        what.order(site)
        _until_made(site, what)
        seen = _until_sent(probe, at, packets)
        until = time.monotonic()
        _until_made(site, what)
    finally:
        probe.stop()
    return _moved(site, what, number, seen, at, until)


def _until_made(site: SteeringSite, what: Planned) -> None:
    if what.end == PREFERRED:
        site.wait_until_well()
    else:
        site.wait_until_on(what.end)


def _until_sent(probe: Probe, at: float, packets: int) -> ProbeReport:
    wanted = packets * INTERVAL * 1.02
    while True:
        time.sleep(max(0.0, at + wanted - time.monotonic()))
        probe.mark("end")
        seen = probe.report("order", "end")[BRANCH]
        short = packets - min(seen.to_branch.sent, seen.to_hub.sent)
        if short <= 0:
            return seen
        wanted += 1.0 + short * INTERVAL


def _moved(site: SteeringSite, what: Planned, number: int, seen: ProbeReport, at: float, until: float) -> Moved:
    moves = {
        side: tuple((move.at - at, move.tunnel) for move in site.moves(side, at, until, what.start)) for side in Side
    }
    return Moved(
        site.kind.name,
        what.name,
        number,
        seen.to_branch.sent,
        seen.to_hub.sent,
        seen.to_branch.lost,
        seen.to_hub.lost,
        site.reached(Side.HUB, what.end, at, what.start),
        site.reached(Side.BRANCH, what.end, at, what.start),
        moves[Side.HUB],
        moves[Side.BRANCH],
    )
