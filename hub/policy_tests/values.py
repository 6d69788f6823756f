"""A test of a policy, read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.config.problems import Place
from hub.policy_tests.expectations import Expectation
from policies.model.intent import Branch
from policies.simulation.play import Step


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """A PolicyTest is what happens to a branch, under the policy in question, and what is expected of it.

    `start` is in the branch's zone; `seconds` is how long it lasts.
    """

    file: str
    branch: Branch
    start: datetime
    seconds: float
    steps: tuple[Step, ...]
    expected: tuple[tuple[Place, Expectation], ...]
