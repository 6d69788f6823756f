"""Running tests of policies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.config.problems import Place
from hub.policy_tests.advice import advice_for
from hub.policy_tests.expectations import Expectation
from hub.policy_tests.values import PolicyTest
from policies.model.intent import Intent
from policies.simulation.play import play
from policies.simulation.track import Track


@dataclass(frozen=True, slots=True)
class Unmet:
    """An Unmet is an expectation that was not met, where it stands, and what was so instead."""

    place: Place
    expected: Expectation
    instead: str


@dataclass(frozen=True, slots=True)
class Result:
    """A Result is what came of a test; `faults` are what its script did wrong meanwhile."""

    test: PolicyTest
    track: Track
    unmet: tuple[Unmet, ...]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.unmet and not self.faults


def run_test(test: PolicyTest, intent: Intent, directory: Path) -> Result:
    """Play it, and judge what came of it."""
    advice = advice_for(directory, test.branch, intent)
    track = play(intent.hub, test.branch, test.steps, test.seconds, test.start, advice)
    found = ((place, expected, expected.unmet(track)) for place, expected in test.expected)
    unmet = tuple(Unmet(place, expected, instead) for place, expected, instead in found if instead is not None)
    return Result(test, track, unmet, tuple(advice.faults) if advice is not None else ())
