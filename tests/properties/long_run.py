"""The long run: as many cases of each property of the decision as asked for, in order of their numbers.

scripts/properties [--examples 100000] [--seed N] [--jobs 1] [--minutes M] [NAME]
scripts/properties --again ROW NAME
"""

from __future__ import annotations

import argparse
import gc
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import test_decision_properties
import test_move_properties
from dice import BYTES, Dice
from hypothesis.errors import UnsatisfiedAssumption
from kept import KEPT, Property
from shrinking import shrunk

FILES = (test_decision_properties, test_move_properties)
AT_A_TIME = 250
"""Worlds of one group that are played before it is another's turn."""


@dataclass(frozen=True, slots=True)
class Played:
    """A Played is what became of some worlds: cases by property, processor seconds, and rows of what does not hold."""

    cases: Counter[str]
    took: Counter[str]
    fails: dict[str, bytes]


@dataclass
class Tally:
    """A Tally is how far every property came; `fails` are the rows of those that do not hold."""

    examples: int
    left: set[str]
    cases: Counter[str] = field(default_factory=Counter)
    took: Counter[str] = field(default_factory=Counter)
    fails: dict[str, bytes] = field(default_factory=dict)
    worlds: Counter[str] = field(default_factory=Counter)

    def add(self, played: Played) -> Iterator[str]:
        """These worlds too; the names of those properties that are done by them."""
        self.cases += played.cases
        self.took += played.took
        self.fails |= played.fails
        done = {n for n in self.left if n in self.fails or self.cases[n] >= self.examples}
        self.left -= done
        return iter(sorted(done))


def groups() -> dict[str, list[str]]:
    """The properties by what is drawn for them: one world is a case of each of them."""
    found: dict[str, list[str]] = {}
    for each in KEPT.values():
        found.setdefault(each.drawn.__name__, []).append(each.name)
    return found


def row_of(seed: int, group: str, number: int) -> bytes:
    """The dice of one world: the same for the same seed and number, whatever else is played."""
    return random.Random(f"{seed} {group} {number}").randbytes(BYTES)  # noqa: S311 - a seed, so that it can be repeated


def play(task: tuple[int, str, int, frozenset[str]]) -> Played:
    """So many worlds of one group from this number on; a property that does not hold is not asked again."""
    seed, group, first, names = task
    asked = [KEPT[name] for name in sorted(names)]
    played = Played(Counter(), Counter(), {})
    for number in range(first, first + AT_A_TIME):
        row = row_of(seed, group, number)
        began = time.process_time()
        drawn = asked[0].drawn(Dice(row))
        for each in [each for each in asked if each.name not in played.fails]:
            holds = _holds(each, drawn)
            ended = time.process_time()
            played.took[each.name] += ended - began  # type: ignore[assignment]
            began = ended
            if holds is not None:
                played.cases[each.name] += 1
            if holds is False:
                played.fails[each.name] = row
    gc.collect()
    return played


def _holds(asked: Property, drawn: Any) -> bool | None:
    """Whether a property holds of what was drawn; None: it says nothing of it."""
    try:
        asked.holds(drawn)
    except UnsatisfiedAssumption:
        return None
    except Exception:  # noqa: BLE001 - a fault of the core or of the property: both are wanted here
        return False
    return True


def _without_collector() -> None:
    """What is decided has no cycles, so looking for them is most often in vain; after each turn is enough."""
    gc.collect()
    gc.freeze()
    gc.disable()


def run(names: Iterable[str], examples: int, seed: int, jobs: int, minutes: float) -> Tally:
    """Play all of these, group by group in turn, until each has its cases, or time is over, or somebody ends it."""
    tally, ends = Tally(examples, set(names)), time.monotonic() + 60 * minutes
    began = time.monotonic()
    with _workers(jobs) as each, _until_told():
        while tally.left and time.monotonic() < ends:
            tasks = list(_round(tally, seed, jobs))
            for played in each(play, tasks):
                for name in tally.add(played):
                    print(_line(tally, name, time.monotonic() - began), flush=True)
                    _show(tally, name)
    for name in sorted(tally.left):
        print(_line(tally, name, time.monotonic() - began), flush=True)
    return tally


def _round(tally: Tally, seed: int, jobs: int) -> Iterator[tuple[int, str, int, frozenset[str]]]:
    for group, names in groups().items():
        asked = tally.left.intersection(names)
        for _ in range(jobs if asked else 0):
            yield seed, group, tally.worlds[group], frozenset(asked)
            tally.worlds[group] += AT_A_TIME


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[..., Iterable[Played]]]:
    if jobs == 1:
        _without_collector()
        yield map
        return
    with ProcessPoolExecutor(jobs, initializer=_without_collector) as pool:
        yield pool.map


@contextmanager
def _until_told() -> Iterator[None]:
    """SIGINT and SIGTERM end it, and what was played until then is told."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("ended before its time", flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _line(tally: Tally, name: str, passed: float) -> str:
    word = "FAILS" if name in tally.fails else "holds" if tally.cases[name] >= tally.examples else "so far"
    return f"{word:6} {tally.cases[name]:>7} cases  {tally.took[name]:>6.0f} s of {passed:>6.0f} s  {name}"


def _show(tally: Tally, name: str) -> None:
    """The plainest case like the one that does not hold, and how to play it again."""
    if name not in tally.fails:
        return
    asked = KEPT[name]
    row = shrunk(tally.fails[name], lambda row: _holds(asked, asked.drawn(Dice(row))) is False)
    again(name, row)
    print(f"again: scripts/properties --again {row.hex() or '00'} {name}", flush=True)


def again(name: str, row: bytes) -> bool:
    """Play one case, and say what it is and how it fails; whether it holds, or is no case."""
    asked = KEPT[name]
    drawn = asked.drawn(Dice(row))
    print(drawn)
    try:
        asked.holds(drawn)
    except UnsatisfiedAssumption:
        print(f"no case of {name}")
    except Exception:  # noqa: BLE001 - it is told, whatever it is
        print(traceback.format_exc(), flush=True)
        return False
    return True


def main(arguments: list[str] | None = None) -> int:
    """Read the arguments, and play."""
    parser = argparse.ArgumentParser(prog="scripts/properties", description="Drawn decisions; see the docs.")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="of all that is drawn; a random one if not given, and printed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which it says how far it came")
    parser.add_argument("--again", metavar="ROW", help="play one case: the row of bytes that it was drawn from")
    parser.add_argument("name", nargs="?", default="", help="a part of the name of a property")
    asked = parser.parse_args(arguments)
    chosen = [name for name in KEPT if asked.name in name]
    if not chosen:
        print(f'scripts/properties: no property has "{asked.name}" in its name', file=sys.stderr)
        return 2
    if asked.again is not None:
        return 0 if all([again(name, bytes.fromhex(asked.again)) for name in chosen]) else 1
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}", flush=True)
    tally = run(chosen, asked.examples, seed, asked.jobs, asked.minutes)
    return 1 if tally.fails else 0


if __name__ == "__main__":
    raise SystemExit(main())
