"""Names that are known, and the nearest of them to one that is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

from policies.model.kinds import KINDS

__all__ = ["KINDS", "listed", "nearest", "write_instead"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None if nothing is near."""
    return _nearest(name.lower()[:80], tuple(known))


@lru_cache(maxsize=4096)  # the same slip stands in many files
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return close[0] if close else None


def write_instead(name: str, known: Iterable[str]) -> str | None:
    """The mend for an unknown name: `write "fiber"`."""
    close = nearest(name, known)
    return f'write "{close}"' if close else None


def listed(names: Iterable[str]) -> str:
    """`a, b, c`, cut short when there are many."""
    every = list(names)
    return ", ".join(every[:12]) + (f" and {len(every) - 12} more" if len(every) > 12 else "")
