"""guards: what a change would do that somebody must say is meant. Pure.

Those count that are in force: a change cannot loosen what holds it up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policies.figures import size_words
from policies.model.guards import AtMost
from policies.model.intent import Intent

MOST_REMOVED = 0.5
"""The part of the branches that may go at once without being forced; one alone may always, unless it is the last."""


@dataclass(frozen=True, slots=True)
class Blast:
    """A Blast is how far a change reaches.

    `moved`, `one_path` and `isolated` are branches: those that move at once or later, those that are left on one live
    tunnel of several, and those on none. `metered` are those that move to a metered line, `bytes_a_day` what of their
    traffic is known, and `unknown` those of which it is not.
    """

    moved: tuple[str, ...] = ()
    one_path: tuple[str, ...] = ()
    isolated: tuple[str, ...] = ()
    metered: tuple[str, ...] = ()
    bytes_a_day: float = 0.0
    unknown: tuple[str, ...] = ()


NO_BLAST = Blast()


def guarded(before: Intent, after: Intent, blast: Blast) -> tuple[str, ...]:
    """What must be forced, each with the guard and the figure."""
    return (*_removed(before, after), *_isolated(blast.isolated), *_limits(before, blast))


def _isolated(branches: Sequence[str]) -> Iterator[str]:
    for branch in branches:
        yield f"{branch} would be cut off: no tunnel that lives now would be left as it is"


def _removed(before: Intent, after: Intent) -> Iterator[str]:
    total, gone = len(before.branches), len(before.branches.keys() - after.branches.keys())
    if total and gone == total:
        every = "the only branch" if total == 1 else f"all {total} branches"
        yield f"{every} would be removed (is the directory complete?)"
    elif gone > max(1, MOST_REMOVED * total):
        yield f"{gone} of {total} branches would be removed (is the directory complete?)"


def _limits(before: Intent, blast: Blast) -> Iterator[str]:
    guards, total = before.guards, len(before.branches)
    yield from _at_most("max-moves", guards.max_moves, len(blast.moved), total, "would move")
    yield from _at_most("max-one-path", guards.max_one_path, len(blast.one_path), total, "would be left on one path")
    if guards.max_metered is None:
        return
    allowed = f"max-metered allows {size_words(guards.max_metered)}"
    if blast.bytes_a_day > guards.max_metered:
        yield f"{size_words(blast.bytes_a_day)} a day would move to metered lines; {allowed}"
    elif blast.unknown:
        named = ", ".join(blast.unknown[:3]) + (", …" if len(blast.unknown) > 3 else "")
        yield f"how much traffic would move to a metered line is not known yet ({named}); {allowed} a day"


def _at_most(guard: str, limit: AtMost | None, count: int, total: int, what: str) -> Iterator[str]:
    if limit is not None and count > limit.of(total):
        yield f"{count} of {total} branches {what}; {guard} ({limit}) allows {limit.of(total)}"
