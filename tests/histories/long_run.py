"""The long run: as many histories as asked for, on as many processes; each failure is shrunk and told.

scripts/histories [--count 100000] [--seed N] [--jobs 2]
scripts/histories --replay SEED
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from histories.history import History, drawn, play
from histories.invariants import ViolationError
from histories.shrink import failure, shrunk
from histories.telling import Account, outline

AT_A_TIME = 200


def failures(first: int, count: int) -> list[tuple[int, str]]:
    """The seeds of these that fail, and how."""
    found = []
    for seed in range(first, first + count):
        try:
            play(drawn(seed))
        except ViolationError as violation:
            found.append((seed, str(violation)))
        except Exception:  # noqa: BLE001 - a fault of the product or of the model: both are wanted here
            found.append((seed, traceback.format_exc(limit=-4)))
    return found


def run(first: int, count: int, jobs: int) -> int:
    """Play them all; how many failed."""
    began, done, failed = time.monotonic(), 0, 0
    starts = range(first, first + count, AT_A_TIME)
    sizes = [min(AT_A_TIME, first + count - start) for start in starts]
    with ProcessPoolExecutor(jobs) as pool:
        for size, found in zip(sizes, pool.map(failures, starts, sizes), strict=True):
            done += size
            failed += len(found)
            for seed, text in found:
                print(f"seed {seed} fails: {text}", flush=True)
            if sys.stdout.isatty():
                print(f"\r{done} of {count}, {failed} failed", end="", flush=True)
    took = time.monotonic() - began
    print(f"{count} histories, seeds {first} to {first + count - 1}: {failed} failed; {took:.0f} s")
    return failed


def replay(seed: int) -> int:
    """One history, shrunk if it fails, with all that happens in it; whether it failed."""
    history = drawn(seed)
    violation = failure(history)
    if violation is None:
        print(outline(history))
        print("nothing is wrong with it")
        return 0
    short = shrunk(history, violation.rule)
    print(outline(short))
    print(account(short))
    return 1


def account(history: History) -> str:
    """What happens in a history, line by line, up to its failure."""
    lines: list[str] = []
    try:
        play(history, watch=lambda world: Account(world, lines.append).step)
    except ViolationError as violation:
        lines.append(str(violation))
    return "\n".join(lines)


def main() -> int:
    """Read the arguments, and play."""
    parser = argparse.ArgumentParser(
        prog="scripts/histories", description="Random histories of the core; see the docs."
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="the first seed; a random one if not given, and printed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=int, metavar="SEED", help="play one history and tell it")
    asked = parser.parse_args()
    if asked.replay is not None:
        return replay(asked.replay)
    first = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seeds from {first}", flush=True)
    return 1 if run(first, asked.count, asked.jobs) else 0


if __name__ == "__main__":
    raise SystemExit(main())
