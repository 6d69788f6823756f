"""How soon the judge finds a bad tunnel, on a virtual clock, with probes that are lost by lot.

Run by `scripts/bench health`. The loss is that of the round trip: 5 % each way are 9.75 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulated_probes import SimulatedProbes

from policies.health.memory import HealthMemory
from policies.health.usual import NO_USUAL, learnt
from policies.model.health import HealthState

RTT = 0.020
BEFORE, LONGEST = 15.0, 180.0


@dataclass(frozen=True, slots=True)
class Case:
    """A Case is what a tunnel becomes, how often it is probed, and the seconds in which it is to be left."""

    name: str
    loss: float
    rises: float
    interval: float
    bar: float


CASES = (
    Case("5 %", 0.05, 0.0, 0.1, 5),
    Case("5 % each way", 0.0975, 0.0, 0.1, 5),
    Case("30 %", 0.30, 0.0, 0.1, 1),
    Case("30 % each way", 0.51, 0.0, 0.1, 1),
    Case("rtt + 150 ms", 0.0, 0.150, 0.1, 10),
    Case("5 %", 0.05, 0.0, 0.05, 5),
    Case("5 % each way", 0.0975, 0.0, 0.05, 5),
    Case("30 %", 0.30, 0.0, 0.05, 1),
    Case("30 % each way", 0.51, 0.0, 0.05, 1),
    Case("5 %", 0.05, 0.0, 1.0, 60),
    Case("30 %", 0.30, 0.0, 1.0, 10),
    Case("rtt + 150 ms", 0.0, 0.150, 1.0, 10),
)


def main() -> int:
    """Measure and print."""
    options = _options()
    print(f"{'becomes':<16}{'probes':>8}  {'median':>8}{'90 %':>8}{'99 %':>8}  within")
    for case in CASES:
        times = sorted(_found_after(case, seed) for seed in range(options.rounds))
        print(_line(case, times), flush=True)
    for loss in (0.0, 0.002, 0.005, 0.01):
        print(_good(loss, options.hours), flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench health", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="of each case (default: %(default)s)")
    parser.add_argument("--hours", type=float, default=1.0, help="of a good tunnel (default: %(default)s)")
    return parser.parse_args()


def _found_after(case: Case, seed: int) -> float:
    begins = 1000.0 + BEFORE + seed * 0.0137 % case.interval
    probes = SimulatedProbes(
        lambda at: case.loss if at >= begins else 0.0,
        lambda at: RTT + (case.rises if at >= begins else 0.0),
        interval=case.interval,
        seed=seed,
        memory=HealthMemory(usual=learnt(NO_USUAL, RTT, 86_400)),
    )
    probes.run(begins)
    found = probes.run(begins + LONGEST, stop=HealthState.DEGRADED)
    return LONGEST if found is None else found - begins


def _line(case: Case, times: Sequence[float]) -> str:
    cuts = quantiles(times, n=100)
    share = sum(time <= case.bar for time in times) / len(times)
    shown = "".join(f"{cuts[place - 1]:>7.2f}s" for place in (50, 90, 99))
    return f"{case.name:<16}{case.interval * 1000:>5.0f} ms  {shown}  {case.bar:g} s: {100 * share:.0f} %"


def _good(loss: float, hours: float) -> str:
    probes = SimulatedProbes(lambda _: loss, lambda _: RTT, seed=11)
    probes.run(1000.0 + 3600 * hours)
    verdicts = sum(view.state is HealthState.DEGRADED for _, view in probes.changes)
    more = 100 * probes.burst_probes / probes.probes
    return f"{100 * loss:g} % for {hours:g} h, 100 ms: found bad {verdicts} times; bursts add {more:.0f} % of probes"


if __name__ == "__main__":
    sys.exit(main())
