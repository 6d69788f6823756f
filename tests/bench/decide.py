"""How long the core takes to decide anew: every branch of a large network, and one of them.

Run by `scripts/bench decide`. All tunnels live, each with its session; of every tenth branch the preferred one is
degraded. Processor time, so that what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from small_network import HUB_PREFIX, a_branch, a_network, moment

from policies.decide import decide, decide_branch
from policies.model.announcement import Announcement
from policies.model.clock import Instant
from policies.model.health import HealthState, HealthView
from policies.model.intent import Intent
from policies.model.view import ClassView, Heard, LivenessState, LivenessView, SessionState, SessionView, View

NAMES = ("fiber", "wireless", "lte")
NOW = moment(1000.0)


def network(branches: int) -> Intent:
    """So many branches with three tunnels each."""
    return a_network(*(replace(a_branch(f"b{n:04}", NAMES, n % 250 + 1)) for n in range(branches)))


def seen(intent: Intent) -> View:
    """All of them well, but for the preferred tunnel of every tenth."""
    liveness, sessions, classes, health = {}, {}, {}, {}
    for number, branch in enumerate(intent.branches.values()):
        for place, tunnel in enumerate(branch.tunnels):
            liveness[tunnel.id] = LivenessView(LivenessState.UP, Instant(1.0))
            sessions[tunnel.id] = SessionView(
                SessionState.UP,
                Instant(2.0),
                complete=True,
                sent={HUB_PREFIX: Announcement(1000 + 100 * place)},
                heard={branch.prefixes[0]: Heard(Instant(2.0))},
                end_of_rib=True,
            )
        if number % 10 == 0:
            health[branch.tunnels[0].id] = HealthView(HealthState.DEGRADED, Instant(900.0))
        order = tuple(tunnel.id for tunnel in branch.tunnels)
        classes[branch.name] = ClassView(
            branch.name, branch.name, order[0], order, branch.prefixes, 1, Instant(3.0), ""
        )
    return View(liveness, sessions, classes, health=health, forwarder=True, speakers=frozenset({1}))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench decide", description=__doc__)
    parser.add_argument("--branches", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(default: %(default)s)")
    options = parser.parse_args()
    intent = network(options.branches)
    view = seen(intent)
    every, one = [], []
    for _ in range(options.rounds):
        begun = time.process_time()
        decide(intent, replace(view), {}, NOW)
        every.append(time.process_time() - begun)
    for branch in list(intent.branches.values())[:200]:
        begun = time.process_time()
        decide_branch(intent.hub, branch, view, {}, NOW)
        one.append((time.process_time() - begun) * 1000)
    print(f"{options.branches} branches x {len(NAMES)} tunnels: {_told(every)} s of processor time")
    print(f"one branch: {_told(one)} ms")
    return 0


def _told(figures: list[float]) -> str:
    return f"{statistics.median(figures):.2f} ({min(figures):.2f}-{max(figures):.2f})"


if __name__ == "__main__":
    sys.exit(main())
