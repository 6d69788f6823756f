"""What is wrong now, each thing under a key, told once when it appears and once when it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A Problem is something that an operator should mend: what is wrong, and how to mend it."""

    key: str
    text: str
    mend: str


class Problems:
    """A Problems is the present problems by key; `tell` hears of every change: the key, and the problem or None."""

    def __init__(self, tell: Callable[[str, Problem | None], None]) -> None:
        self._tell = tell
        self._present: dict[str, Problem] = {}

    def report(self, key: str, text: str | None, mend: str | None = None) -> None:
        """Something is wrong (again, or differently), or with text None no longer."""
        if text is None:
            if self._present.pop(key, None):
                self._tell(key, None)
            return
        problem = Problem(key, text, mend or "")
        if self._present.get(key) != problem:
            self._present[key] = problem
            self._tell(key, problem)

    def replace(self, group: str, problems: dict[str, Problem]) -> None:
        """These are all the present problems whose keys begin with `group`."""
        for key in [key for key in self._present if key.startswith(group) and key not in problems]:
            self.report(key, None)
        for problem in problems.values():
            self.report(problem.key, problem.text, problem.mend)

    def present(self) -> list[Problem]:
        """All that is wrong now."""
        return list(self._present.values())
