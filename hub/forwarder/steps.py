"""Long work in steps: a generator that pauses at least every millisecond, and what runs it.

Whoever waits for a BFD packet to be sent waits for one slice at most.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

SLICE_NS = 2_000_000
"""Nanoseconds after which a slice ends, with the next pause."""

REST_NS = 300_000
"""Nanoseconds between slices: a process of real-time priority that never waits has to give way (RLIMIT_RTTIME)."""

Steps = Generator[None, None, T]
"""Work that pauses now and then, and returns something in the end."""


def at_once(steps: Steps[T]) -> T:
    """Do all of it now: for work that is known to be short."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def slice_of(steps: Iterator[None], now: Callable[[], int]) -> bool:
    """Go on for one slice; whether there is more to do."""
    end = now() + SLICE_NS
    return any(now() >= end for _pause in steps)


def pieces(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same values, so many at a time."""
    source = iter(values)
    while piece := list(islice(source, size)):
        yield piece
