"""chance: a course of what goes wrong on lines, drawn by lot, the same for the same seed.

Every line, every uplink of the hub and every ISP has a stream of its own, so that the course of one branch does not
depend on which others there are, nor on any policy: two policies can be compared by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from policies.model.intent import Branch, Tunnel
from policies.simulation.line import Line
from policies.simulation.play import Step

DAY = 86_400.0
ROUND_TRIPS: Mapping[str, float] = {
    "fiber": 0.005,
    "microwave": 0.008,
    "cable": 0.015,
    "dsl": 0.025,
    "wireless": 0.02,
    "5g": 0.03,
    "lte": 0.045,
    "satellite": 0.6,
    "other": 0.02,
}
"""Seconds, by the kind of a tunnel's uplink, while all is well."""


class Where(Enum):
    """What one thing that goes wrong is about."""

    ISP = "ISP"
    HUB_UPLINK = "uplink of the hub"
    UPLINK = "uplink of a branch"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A Trouble is one kind of what goes wrong: how often in the mean, and for how many seconds in the mean.

    It is down, or loses from `loss` a share that is drawn evenly, or its round trip is longer by `slower` seconds,
    drawn likewise. Times between, and how long it lasts, are drawn exponentially.
    """

    name: str
    where: Where
    every: float
    lasts: float
    down: bool = False
    loss: tuple[float, float] | None = None
    slower: tuple[float, float] | None = None


TROUBLES = (
    Trouble("an ISP is down everywhere", Where.ISP, 60 * DAY, 1800.0, down=True),
    Trouble("an uplink of the hub is down", Where.HUB_UPLINK, 30 * DAY, 900.0, down=True),
    Trouble("an uplink of a branch is down", Where.UPLINK, 10 * DAY, 1200.0, down=True),
    Trouble("an uplink of a branch is down for seconds", Where.UPLINK, 3 * DAY, 8.0, down=True),
    Trouble("an uplink of a branch loses 2% to 20%", Where.UPLINK, 5 * DAY, 1800.0, loss=(0.02, 0.2)),
    Trouble("an uplink of a branch is 60 to 250 ms slower", Where.UPLINK, 7 * DAY, 3600.0, slower=(0.06, 0.25)),
)
"""Lines of a bad year, so that a month shows something."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A Happening is one thing that goes wrong from one time to another, in seconds."""

    begins: float
    ends: float
    trouble: Trouble
    loss: float = 0.0
    slower: float = 0.0


def drawn(branch: Branch, seed: int, seconds: float, troubles: Iterable[Trouble] = TROUBLES) -> tuple[Step, ...]:
    """What happens to the lines of a branch, as steps; the first is how they are while all is well."""
    kinds = tuple(troubles)
    happenings = {t.id.name: tuple(_all_of(t, seed, seconds, kinds)) for t in branch.tunnels}
    base = {t.id.name: Line(rtt=ROUND_TRIPS.get(t.uplink.kind, 0.02)) for t in branch.tunnels}
    every = [happening for of_one in happenings.values() for happening in of_one]
    times = sorted({0.0, *(h.begins for h in every), *(h.ends for h in every if h.ends < seconds)})
    before: dict[str, Line] = {}
    steps = []
    for at in times:
        lines = {name: _line(base[name], happenings[name], at) for name in base}
        changed = {name: line for name, line in lines.items() if before.get(name) != line}
        before = lines
        if changed:
            steps.append(Step(at, changed))
    return tuple(steps)


def _all_of(tunnel: Tunnel, seed: int, seconds: float, troubles: Iterable[Trouble]) -> Iterator[Happening]:
    for trouble in troubles:
        for source in _sources(tunnel, trouble.where):
            yield from _happenings(source, trouble, seed, seconds)


def _sources(tunnel: Tunnel, where: Where) -> frozenset[str]:
    """The names of what a tunnel depends on."""
    match where:
        case Where.ISP:
            return frozenset({tunnel.uplink.isp, tunnel.hub_uplink.isp})
        case Where.HUB_UPLINK:
            return frozenset({tunnel.hub_uplink.name})
        case Where.UPLINK:
            return frozenset({f"{tunnel.id.branch}/{tunnel.uplink.name}"})


def _happenings(source: str, trouble: Trouble, seed: int, seconds: float) -> Iterator[Happening]:
    chance = Random(f"{seed} {trouble.name} {source}")  # noqa: S311 - no secret is made of it
    at = chance.expovariate(1 / trouble.every)
    while at < seconds:
        ends = at + chance.expovariate(1 / trouble.lasts)
        loss = round(chance.uniform(*trouble.loss), 3) if trouble.loss is not None else 0.0
        slower = round(chance.uniform(*trouble.slower), 3) if trouble.slower is not None else 0.0
        yield Happening(at, ends, trouble, loss, slower)
        at = ends + chance.expovariate(1 / trouble.every)


def _line(base: Line, happenings: Iterable[Happening], at: float) -> Line:
    present = [happening for happening in happenings if happening.begins <= at < happening.ends]
    if not present:
        return base
    return replace(
        base,
        loss=max(happening.loss for happening in present),
        rtt=base.rtt + sum(happening.slower for happening in present),
        up=not any(happening.trouble.down for happening in present),
    )
