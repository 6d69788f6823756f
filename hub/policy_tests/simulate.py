"""Simulations of whole months: what a policy comes to when lines are drawn by lot, or as a test's file says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.policy_tests.advice import advice_for
from hub.policy_tests.files import WEEK
from policies.model.intent import Branch, Intent
from policies.simulation.chance import drawn
from policies.simulation.play import Step, play
from policies.simulation.track import Track

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """A Simulated is what came of one branch; `faults` are what its script did wrong meanwhile."""

    track: Track
    policy: str
    faults: tuple[str, ...]

    @property
    def causes(self) -> Mapping[str, int]:
        """How many moves had which cause, the most frequent first."""
        return dict(Counter(moved.cause for moved in self.track.changes).most_common())


def simulate_at_random(
    intent: Intent, branches: Iterable[Branch], directory: Path, days: float, seed: int
) -> tuple[Simulated, ...]:
    """Every branch over so many days from Monday, 2024-01-01 on."""
    return tuple(
        simulate(intent, branch, directory, drawn(branch, seed, days * DAY), days * DAY, _monday(branch))
        for branch in branches
    )


def simulate(
    intent: Intent, branch: Branch, directory: Path, steps: Iterable[Step], seconds: float, start: datetime
) -> Simulated:
    """One branch."""
    advice = advice_for(directory, branch, intent)
    track = play(intent.hub, branch, steps, seconds, start, advice)
    return Simulated(track, branch.policy.name, tuple(advice.faults) if advice is not None else ())


def _monday(branch: Branch) -> datetime:
    return WEEK.replace(tzinfo=ZoneInfo(branch.timezone))
