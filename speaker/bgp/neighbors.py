"""What ExaBGP answers to `show neighbor json`: one line, a list of its neighbors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def shown(lines: Iterable[str], read: Callable[[Any], T]) -> list[T] | None:
    """What `read` takes of each neighbor in the answer; None when it is no such answer, or `read` can't be done.

    `read` is given one neighbor as ExaBGP wrote it, and may fail as one does who looks into a value of another shape.
    """
    for line in lines:
        try:
            return [read(neighbor) for neighbor in json.loads(line)]
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue
    return None
