"""The long run: as many cases of each property of the decision as asked for, in order of their numbers.

scripts/properties [--examples 100000] [--seed N] [--jobs 1] [--minutes M] [NAME]
scripts/properties --again ROW NAME
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import test_decision_properties  # noqa: F401 - for the properties in it
import test_move_properties  # noqa: F401
from dice import Dice
from hypothesis.errors import UnsatisfiedAssumption
from kept import KEPT
from playing import Tally, plainest, workers


def run(names: Iterable[str], examples: int, seed: int, jobs: int, minutes: float) -> Tally:
    """Play all of these, group by group in turn, until each has its cases, or time is over, or somebody ends it."""
    tally, began = Tally(examples, set(names)), time.monotonic()
    with workers(jobs) as played_by, _until_told():
        while tally.left and time.monotonic() < began + 60 * minutes:
            for played in played_by(list(tally.turn(seed, jobs))):
                for name in tally.add(played):
                    print(_line(tally, name), flush=True)
                    _show(tally, name)
    for name in sorted(tally.left):
        print(_line(tally, name), flush=True)
    print(f"{sum(tally.took.values()):.0f} s of processor time in {time.monotonic() - began:.0f} s", flush=True)
    return tally


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


def _line(tally: Tally, name: str) -> str:
    word = "FAILS" if name in tally.fails else "holds" if tally.cases[name] >= tally.examples else "so far"
    return f"{word:6}  {tally.cases[name]:>7} cases  {tally.took.get(name, 0.0):>6.0f} s  {name}"


def _show(tally: Tally, name: str) -> None:
    """The plainest case like the one that does not hold, and how to play it again."""
    if name in tally.fails:
        row = plainest(KEPT[name], tally.fails[name])
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
    parser.add_argument("--again", type=bytes.fromhex, metavar="ROW", help="play one case, by its row of bytes")
    parser.add_argument("name", nargs="?", default="", help="a part of the name of a property")
    asked = parser.parse_args(arguments)
    chosen = [name for name in KEPT if asked.name in name]
    if not chosen:
        print(f'scripts/properties: no property has "{asked.name}" in its name', file=sys.stderr)
        return 2
    if asked.again is not None:
        return 0 if all(again(name, asked.again) for name in chosen) else 1
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}", flush=True)
    tally = run(chosen, asked.examples, seed, asked.jobs, asked.minutes)
    return 1 if tally.fails else 0


if __name__ == "__main__":
    raise SystemExit(main())
