"""Guards: how much one change may do before somebody must say that it is meant."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class AtMost:
    """An AtMost is how many branches of all may be concerned: a `number`, or a `share` of them, whichever is more."""

    number: int = 0
    share: float = 0.0

    def of(self, total: int) -> int:
        """How many of so many; a part of a branch counts as a whole one."""
        return max(self.number, ceil(round(self.share * total, 6)))

    def __str__(self) -> str:
        """As it is written; the larger of both where there are two."""
        share = f"{self.share * 100:g}%"
        if not self.share:
            return str(self.number)
        return f"{share}, at least {self.number}" if self.number else share


SMALL = AtMost(10, 0.25)
"""What is not written: a quarter, and ten branches always, so that a small network is never asked."""


@dataclass(frozen=True, slots=True)
class Guards:
    """A Guards is what an apply may do without being forced; None: as much as there is.

    `max_moves` counts branches that move, `max_one_path` those that are left on one live tunnel of several,
    `max_metered` bytes a day that move to metered lines.
    """

    max_moves: AtMost | None = SMALL
    max_one_path: AtMost | None = SMALL
    max_metered: int | None = None


USUAL_GUARDS = Guards()
