"""Dice: one drawn row of bytes, by which everything else is chosen.

A choice of hypothesis takes longer than a decision, and a situation is made of two hundred. So hypothesis draws bytes,
and each choice takes one: what it shrinks to 0 is the first of the values to choose from, the plainest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import strategies as st

Value = TypeVar("Value")
BYTES = 480


class Dice:
    """A Dice throws what its bytes say; when they are used up, always the first."""

    def __init__(self, row: bytes) -> None:
        self._row = iter(row)

    def one(self, *values: Value) -> Value:
        """One of these."""
        return values[next(self._row, 0) % len(values)]

    def odds(self, one_in: int) -> bool:
        """True once in so many times."""
        return next(self._row, 0) % one_in == one_in - 1

    def some(self, values: Sequence[Value], most: int) -> tuple[Value, ...]:
        """Up to so many of them, each once, in any order."""
        return self.mixed(values)[: self.one(*range(most + 1))]

    def mixed(self, values: Sequence[Value]) -> tuple[Value, ...]:
        """All of them, in any order."""
        left = list(values)
        return tuple(left.pop(next(self._row, 0) % len(left)) for _ in range(len(left)))


def thrown(make: Callable[[Dice], Value]) -> st.SearchStrategy[Value]:
    """The strategy of what this makes of its dice."""
    return st.binary(min_size=BYTES, max_size=BYTES).map(lambda row: make(Dice(row)))
