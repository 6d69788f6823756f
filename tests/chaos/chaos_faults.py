"""What may go wrong in an episode of chaos, and when: values drawn from a seed. Pure.

An episode begins well, suffers a few faults that overlap at random, and ends with all of them ended.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A kind of fault."""

    CUT = "cut"
    CUT_TO_BRANCH = "cut to the branch only"
    CUT_TO_HUB = "cut to the hub only"
    FLAP = "flapping"
    LOSS = "random loss"
    KILL = "killed"
    RESTART = "restarted"
    STOP = "stopped and continued"
    KILL_ALL = "everything killed"
    APPLY = "configuration changed"
    FULL_DISK = "state directory full"
    SLOW_READERS = "readers that do not read"


PROCESSES = ("forwarder", "controller", "exabgp-1", "relay")

_WEIGHTS = {
    Kind.CUT: 8,
    Kind.CUT_TO_BRANCH: 2,
    Kind.CUT_TO_HUB: 2,
    Kind.FLAP: 2,
    Kind.LOSS: 1,
    Kind.KILL: 6,
    Kind.RESTART: 3,
    Kind.STOP: 4,
    Kind.KILL_ALL: 1,
    Kind.APPLY: 3,
    Kind.FULL_DISK: 1,
    Kind.SLOW_READERS: 1,
}
OF_PROCESSES = (Kind.KILL, Kind.RESTART, Kind.STOP)
LONGEST_EPISODE = 8.0
"""Seconds from the first fault's beginning to the last one's end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A Fault begins and ends so many seconds after its episode does; it strikes a tunnel, an ISP or a process."""

    kind: Kind
    target: str
    begins: float
    ends: float

    def __str__(self) -> str:
        return f"{self.kind.value} {self.target} {self.begins:g}-{self.ends:g} s"


def episode(number: random.Random, tunnels: Sequence[str], isps: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of one episode, in order of their beginning."""
    faults = [_fault(number, tunnels, isps) for _ in range(number.choice((1, 1, 2, 2, 3, 4)))]
    return tuple(sorted(_distinct(faults), key=lambda fault: fault.begins))


def _fault(number: random.Random, tunnels: Sequence[str], isps: Sequence[str]) -> Fault:
    kind = number.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    begins = number.uniform(0.2, 3.0)
    ends = begins + number.choice((0.3, 1.0, 2.0, 4.0)) * number.uniform(0.7, 1.3)
    match kind:
        case Kind.CUT:
            target = number.choice([*tunnels, *tunnels, *isps])
        case Kind.CUT_TO_BRANCH | Kind.CUT_TO_HUB | Kind.FLAP | Kind.LOSS:
            target = number.choice(tunnels)
        case Kind.KILL | Kind.RESTART | Kind.STOP:
            target = number.choice(PROCESSES)
        case _:
            target = "hub"
    return Fault(kind, target, round(begins, 2), round(min(ends, LONGEST_EPISODE), 2))


def _distinct(faults: Sequence[Fault]) -> list[Fault]:
    """One fault a target, so that the end of one does not end another; and nobody dies while all are killed."""
    chosen: dict[tuple[object, str], Fault] = {}
    for fault in faults:
        group = "process" if fault.kind in OF_PROCESSES else "tunnel" if "/" in fault.target else fault.kind
        chosen.setdefault((group, fault.target), fault)
    if any(fault.kind is Kind.KILL_ALL for fault in chosen.values()):
        return [fault for fault in chosen.values() if fault.kind not in (*OF_PROCESSES, Kind.APPLY)]
    return list(chosen.values())
