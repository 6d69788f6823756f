"""A tunnel in use that gets worse: how soon both directions leave it, what is lost, and how often they move.

All hubs are disturbed at the same time, each in its lab. A direction has left when its kernel says so. Nothing is
healed while it is observed, so every move after the first is one too many.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from failover_network import BRANCH, OTHER, PREFERRED
from steering_site import Side, SteeringSite

from hub.lab import disturb
from hub.lab.disturbances import Direction
from hub.lab.probe import Probe, ProbeReport

INTERVAL = 0.001
BEFORE = 0.5
SLOW_INTERVAL = 0.010
"""Of the packets beside, where hubs are observed for minutes."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A Disturbance is what the tunnel in use suffers, for so many seconds, and the bar in seconds for leaving it.

    `rise` is of the round trip, in milliseconds; `one_way`: only one direction suffers, in turns.
    """

    name: str
    observed: float
    bar: float
    loss: float = 0.0
    rise: float = 0.0
    one_way: bool = False

    def way(self, number: int) -> Direction:
        """Which way packets suffer in this round."""
        turns = (Direction.TO_BRANCH, Direction.TO_HUB)
        return turns[number % 2] if self.one_way else Direction.BOTH

    def begin(self, site: SteeringSite, number: int) -> None:
        """Make it so."""
        disturb.disturb(site.lab, site.preferred.name, self.way(number), loss=self.loss, delay_ms=self.rise / 2)


DISTURBANCES = {
    one.name: one
    for one in (
        Disturbance("loss 5 % each way", 15.0, 5.0, loss=0.05),
        Disturbance("loss 5 % one way", 15.0, 5.0, loss=0.05, one_way=True),
        Disturbance("loss 30 % each way", 10.0, 1.0, loss=0.30),
        Disturbance("loss 30 % one way", 10.0, 1.0, loss=0.30, one_way=True),
        Disturbance("round trip + 150 ms", 15.0, 10.0, rise=150.0),
    )
}


@dataclass(frozen=True, slots=True)
class Left:
    """A Left is one disturbance of one hub.

    `hub_left` and `branch_left` are seconds until that kernel left the tunnel, None: not while observed. They count
    from the first packet that was lost; where none is, from the order. Lost is what was lost until
    both had left, or until the end. `moves_*` are (seconds, tunnel), `why` is the hub's word, `order` the seconds from
    the order, at `began` of the monotonic clock, to what is counted from.
    """

    hub: str
    measure: str
    number: int
    way: str
    hub_left: float | None
    branch_left: float | None
    sent: int
    lost: int
    moves_hub: tuple[tuple[float, str], ...]
    moves_branch: tuple[tuple[float, str], ...]
    why: str
    order: float
    back: float
    began: float

    @property
    def left(self) -> float | None:
        """Seconds until both directions had left; None: not while observed."""
        if self.hub_left is None or self.branch_left is None:
            return None
        return max(self.hub_left, self.branch_left)

    @property
    def moves(self) -> int:
        """Moves of the side that moved more often."""
        return max(len(self.moves_hub), len(self.moves_branch))


def all_disturbed(sites: Sequence[SteeringSite], what: Disturbance, number: int, chance: random.Random) -> list[Left]:
    """Disturb all hubs at once, observe, heal, wait until all is well.

    Raises:
        LabError: a hub never became well again, or a probe ended.
    """
    for site in sites:
        site.wait_until_calm()
    phase = chance.uniform(0, 0.3)
    with ThreadPoolExecutor(len(sites)) as pool:
        return list(pool.map(lambda site: _one_disturbed(site, what, number, phase), sites))


def _one_disturbed(site: SteeringSite, what: Disturbance, number: int, phase: float) -> Left:
    probe = Probe()
    probe.start(site.lab, (BRANCH,), INTERVAL)
    try:
        time.sleep(BEFORE + phase)
        site.wait_until_well()  # a freeze of the machine may have moved it meanwhile
        probe.mark("begins")
        at = time.monotonic()
        what.begin(site, number)
        why = _until_left(site, at, at + what.observed)
        probe.mark("left")
        time.sleep(max(0.0, at + what.observed - time.monotonic()))
        until = time.monotonic()
        disturb.heal(site.lab, site.preferred.name)
        seen = probe.report("begins", "left")[BRANCH]
        since = _first_lost(seen) if what.loss else None
        site.wait_until_well()
    finally:
        probe.stop()
    return Left(
        site.kind.name,
        what.name,
        number,
        what.way(number).value,
        site.reached(Side.HUB, OTHER, since or at, PREFERRED),
        site.reached(Side.BRANCH, OTHER, since or at, PREFERRED),
        seen.to_branch.sent + seen.to_hub.sent,
        seen.to_branch.lost + seen.to_hub.lost,
        moves_of(site, Side.HUB, at, until),
        moves_of(site, Side.BRANCH, at, until),
        why,
        (since or at) - at,
        time.monotonic() - until,
        at,
    )


def _first_lost(seen: ProbeReport) -> float | None:
    outages = (*seen.to_branch.outages, *seen.to_hub.outages)
    return min((outage.start for outage in outages), default=None)


def _until_left(site: SteeringSite, at: float, until: float) -> str:
    while time.monotonic() < until:
        if all(site.moves(side, at, until) for side in Side):
            return site.why()
        time.sleep(0.02)
    return site.why()


def moves_of(site: SteeringSite, side: Side, at: float, until: float) -> tuple[tuple[float, str], ...]:
    """(seconds since, tunnel) of every move of a kernel, that began on the preferred tunnel."""
    return tuple((move.at - at, move.tunnel) for move in site.moves(side, at, until))


@dataclass(frozen=True, slots=True)
class Lasting:
    """A Lasting is something that lasts for minutes: how often each kernel moved, and what was lost.

    `began` is in seconds of the monotonic clock.
    """

    hub: str
    measure: str
    began: float
    minutes: float
    sent: int
    lost: int
    moves_hub: tuple[tuple[float, str], ...]
    moves_branch: tuple[tuple[float, str], ...]
    why: str

    @property
    def moves(self) -> int:
        """Moves of the side that moved more often."""
        return max(len(self.moves_hub), len(self.moves_branch))


def flapping(site: SteeringSite, minutes: float, every: float, stop: threading.Event) -> Lasting:
    """Cut the preferred tunnel and heal it by turns, so many seconds each."""

    def flap(until: float) -> None:
        while time.monotonic() < until and not stop.is_set():
            disturb.cut(site.lab, site.preferred.name)
            stop.wait(every)
            disturb.heal(site.lab, site.preferred.name)
            stop.wait(every)

    return _lasting(site, f"cut and healed every {every:g} s", minutes, flap)


def lossy(site: SteeringSite, minutes: float, stop: threading.Event) -> Lasting:
    """Lose 0.2 % of the packets of the preferred tunnel each way."""

    def lose(until: float) -> None:
        disturb.disturb(site.lab, site.preferred.name, loss=0.002)
        stop.wait(max(0.0, until - time.monotonic()))

    return _lasting(site, "loss 0.2 % each way", minutes, lose)


def _lasting(site: SteeringSite, name: str, minutes: float, course: Callable[[float], None]) -> Lasting:
    site.wait_until_well()
    probe = Probe()
    probe.start(site.lab, (BRANCH,), SLOW_INTERVAL)
    try:
        at = time.monotonic()
        course(at + minutes * 60)
        until = time.monotonic()
        why = site.why()
    finally:
        seen = probe.stop()[BRANCH]
        disturb.heal(site.lab)
    ways = (seen.to_branch, seen.to_hub)
    return Lasting(
        site.kind.name,
        name,
        at,
        (until - at) / 60,
        sum(way.sent for way in ways),
        sum(way.lost for way in ways),
        moves_of(site, Side.HUB, at, until),
        moves_of(site, Side.BRANCH, at, until),
        why,
    )
