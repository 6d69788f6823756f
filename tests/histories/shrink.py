"""The shortest history that still fails in the same way: steps are left out as long as it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from histories.history import History, Step, play
from histories.invariants import ViolationError
from histories.world import Parts
from policies.model.policy import FailbackMode


def failure(history: History, parts: Parts | None = None) -> ViolationError | None:
    """How the history fails, None if it does not."""
    try:
        play(history, parts)
    except ViolationError as violation:
        return violation
    return None


def shrunk(history: History, rule: str, parts: Parts | None = None) -> History:
    """The history without what its failure by this rule does not need."""
    present, found = history, True
    while found:
        found = False
        for shorter in _shorter(present):
            violation = failure(shorter, parts)
            if violation is not None and violation.rule == rule:
                present, found = shorter, True
                break
    return present


def _shorter(history: History) -> Iterator[History]:
    """The same with fewer steps: half of them, one of them; then with what is rare made usual."""
    steps = history.steps
    size = len(steps) // 2
    while size > 0:
        for start in range(0, len(steps), size):
            yield replace(history, steps=_without(steps, start, size))
        size //= 2
    if history.dead:
        yield replace(history, dead=frozenset())
    for rule in history.situation.rules:
        fewer = tuple(other for other in history.situation.rules if other is not rule)
        yield replace(history, situation=replace(history.situation, rules=fewer))
    for simpler in (
        {"metered": frozenset()},
        {"failback": FailbackMode.AUTOMATIC, "windows": ()},
        {"processes": 1},
        {"ibgp": False},
        {"answers_probes": True},
        {"end_of_rib": True},
        {"spreads": False},
    ):
        situation = replace(history.situation, **simpler)  # type: ignore[arg-type]
        if situation != history.situation:
            yield replace(history, situation=situation)
    for index, step in enumerate(steps):
        for wait in (0.0, 1.0):
            if step.wait > wait:
                yield replace(history, steps=(*steps[:index], replace(step, wait=wait), *steps[index + 1 :]))


def _without(steps: tuple[Step, ...], start: int, size: int) -> tuple[Step, ...]:
    """What comes after keeps its moment."""
    removed = sum(step.wait for step in steps[start : start + size])
    rest = steps[start + size :]
    if rest:
        rest = (replace(rest[0], wait=rest[0].wait + removed), *rest[1:])
    return steps[:start] + rest
