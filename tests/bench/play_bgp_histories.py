"""Random histories of BGP for as long as one likes; run by `scripts/bgp-histories`."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "integration"), str(Path(__file__).parents[1])]

from bench_end import to_its_end
from bgp_histories import Step, history, play


def main() -> int:
    """Play histories for a while; 1 when one of them ended wrong."""
    parser = argparse.ArgumentParser(prog="scripts/bgp-histories", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of all histories (default: any)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)g)")
    parser.add_argument("--steps", type=int, default=60, help="of a history (default: %(default)d)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play one again that ended wrong")
    options = parser.parse_args()
    if options.replay is not None:
        return played("replay", json.loads(options.replay.read_text()))
    print(f"seed {options.seed}", flush=True)
    results = [played(seed, history(seed, options.steps)) for seed in seeds(options.seed, options.minutes)]
    print(f"{sum(results)} of {len(results)} histories ended wrong")
    return 1 if any(results) else 0


def seeds(first: int, minutes: float) -> Iterator[str]:
    """The seeds of one history after the other, until the time is over."""
    until, number = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < until:
        yield f"{first}/{number}"
        number += 1


def played(seed: str, steps: list[Step]) -> int:
    """Play one history and say how it ended; 1 when it ended wrong."""
    begun = time.monotonic()
    differences, counters = play(steps)
    counted = ", ".join(f"{name} {count}" for name, count in sorted(counters.items()))
    verdict = "WRONG" if differences else "right"
    print(f"{seed}: {len(steps)} steps, {verdict} after {time.monotonic() - begun:.1f} s; {counted}", flush=True)
    if not differences:
        return 0
    file = Path(f"bgp-history-{seed.replace('/', '-')}.json").absolute()
    file.write_text(json.dumps(steps))
    for tunnel, difference in differences.items():
        print(f"  {tunnel}: {len(difference)} wrong, as {difference[0]}")
    print(f"  again: scripts/bgp-histories --replay {file}", flush=True)
    return 1


if __name__ == "__main__":
    to_its_end(main)
