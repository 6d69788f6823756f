"""Playing properties: worlds drawn by number, each of which is a case of every property that is asked of its like."""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dice import BYTES, Dice
from hypothesis.errors import UnsatisfiedAssumption
from kept import KEPT, Property
from shrinking import shrunk

AT_A_TIME = 250
"""Worlds of one group that are played before it is another's turn."""


@dataclass(frozen=True, slots=True)
class Task:
    """A Task is worlds of one group to play, from the number `first` on; each world follows from the seed."""

    seed: int
    group: str
    first: int
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """A Played is what became of a task: cases by property, processor seconds, and rows of what does not hold."""

    cases: Counter[str] = field(default_factory=Counter)
    took: dict[str, float] = field(default_factory=dict)
    fails: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """A Tally is how far every property came; `fails` are the rows of those that do not hold."""

    examples: int
    left: set[str]
    cases: Counter[str] = field(default_factory=Counter)
    took: dict[str, float] = field(default_factory=dict)
    fails: dict[str, bytes] = field(default_factory=dict)
    worlds: Counter[str] = field(default_factory=Counter)

    def add(self, played: Played) -> list[str]:
        """These worlds too; the names of those properties that are done by them."""
        self.cases += played.cases
        self.took |= {name: self.took.get(name, 0.0) + took for name, took in played.took.items()}
        self.fails |= {name: row for name, row in played.fails.items() if name in self.left}
        done = {name for name in self.left if name in self.fails or self.cases[name] >= self.examples}
        self.left -= done
        return sorted(done)

    def turn(self, seed: int, jobs: int) -> Iterator[Task]:
        """What is played next: of every group that somebody still asks for, for each process as much."""
        for group, names in groups(KEPT).items():
            asked = tuple(sorted(self.left.intersection(names)))
            for _ in range(jobs if asked else 0):
                yield Task(seed, group, self.worlds[group], asked)
                self.worlds[group] += AT_A_TIME


def groups(kept: Mapping[str, Property]) -> dict[str, list[str]]:
    """The properties by what is drawn for them: one world is a case of each of them."""
    found: dict[str, list[str]] = {}
    for each in kept.values():
        found.setdefault(each.drawn.__name__, []).append(each.name)
    return found


def row_of(seed: int, group: str, number: int) -> bytes:
    """The dice of one world: the same for the same seed and number, whatever else is played."""
    return random.Random(f"{seed} {group} {number}").randbytes(BYTES)


def play(task: Task) -> Played:
    """So many worlds of one group; a property that does not hold is not asked again."""
    asked = [KEPT[name] for name in task.asked]
    played = Played(took=dict.fromkeys(task.asked, 0.0))
    for number in range(task.first, task.first + AT_A_TIME):
        row = row_of(task.seed, task.group, number)
        began = time.process_time()
        drawn = asked[0].drawn(Dice(row))
        for each in asked:
            holds = None if each.name in played.fails else holds_of(each, drawn)
            played.cases[each.name] += holds is not None
            if holds is False:
                played.fails[each.name] = row
            ended = time.process_time()
            played.took[each.name] += ended - began
            began = ended
    gc.collect()
    return played


def holds_of(asked: Property, drawn: Any) -> bool | None:
    """Whether a property holds of what was drawn; None: it says nothing of it."""
    try:
        asked.holds(drawn)
    except UnsatisfiedAssumption:
        return None
    except Exception:  # noqa: BLE001 - a fault of the core or of the property: both are wanted here
        return False
    return True


def plainest(asked: Property, row: bytes) -> bytes:
    """The plainest case like this one of which the property does not hold either."""
    return shrunk(row, lambda row: holds_of(asked, asked.drawn(Dice(row))) is False)


@contextmanager
def workers(jobs: int) -> Iterator[Callable[[Iterable[Task]], Iterable[Played]]]:
    """Who plays: this process alone, or so many others."""
    if jobs == 1:
        _without_collector()
        try:
            yield lambda tasks: map(play, tasks)
        finally:
            gc.enable()
            gc.unfreeze()
        return
    with ProcessPoolExecutor(jobs, initializer=_without_collector) as pool:
        yield lambda tasks: pool.map(play, tasks)


def _without_collector() -> None:
    """What is decided has no cycles, so to look for them after each task is enough."""
    gc.collect()
    gc.freeze()
    gc.disable()
