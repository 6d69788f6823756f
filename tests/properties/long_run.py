"""The long run: as many cases of each property of the decision as asked for, a few thousand at a time.

scripts/properties [--examples 100000] [--seed N] [NAME]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("test_decision_properties.py", "test_move_properties.py")
AT_A_TIME = 5000
"""Cases of one process: hypothesis remembers all of its own."""


def properties(part: str) -> list[tuple[Path, str]]:
    """The files and names of the properties whose name has this part."""
    found = [
        (HERE / name, test)
        for name in FILES
        for test in re.findall(r"^def (test_\w+)", (HERE / name).read_text(), re.M)
    ]
    return [(file, test) for file, test in found if part in test]


def play(file: Path, test: str, examples: int, seed: int) -> bool:
    """So many cases of one property; whether all hold. What pytest says of one that does not is printed."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--hypothesis-seed={seed}",
            f"{file}::{test}",
        ],
        cwd=HERE.parents[1],
        env={**os.environ, "POINTSMAN_EXAMPLES": str(examples)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", flush=True)
    return done.returncode == 0


def main() -> int:
    """Read the arguments, and play."""
    parser = argparse.ArgumentParser(prog="scripts/properties", description="Drawn decisions; see the docs.")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="the first seed; a random one if not given, and printed")
    parser.add_argument("name", nargs="?", default="", help="a part of the name of a property")
    asked = parser.parse_args()
    first = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    chosen = properties(asked.name)
    if not chosen:
        print(f'scripts/properties: no property has "{asked.name}" in its name', file=sys.stderr)
        return 2
    print(f"seeds from {first}", flush=True)
    failed = 0
    for file, test in chosen:
        began, holds = time.monotonic(), True
        for number, done in enumerate(range(0, asked.examples, AT_A_TIME)):
            holds = play(file, test, min(AT_A_TIME, asked.examples - done), first + number) and holds
        failed += not holds
        print(
            f"{'holds' if holds else 'FAILS'}  {asked.examples} cases  {time.monotonic() - began:.0f} s  {test}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
