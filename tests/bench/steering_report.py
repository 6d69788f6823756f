"""What was measured as a table, with the bars that Pointsman has to meet."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from failover_hubs import KINDS
from soak_count import Span
from steering_disturbed import DISTURBANCES, Lasting, Left
from steering_planned import Moved

_One = TypeVar("_One", Left, Moved)
MOST_MOVES = {"cut": 3, "loss": 0}
"""By the first word of what lasts."""
FOLLOWS = 1.0
"""Seconds within which a move follows a freeze of the machine that explains it."""
GOES_BACK = 30.0
"""Seconds within which the way back follows a move."""
HELD = 16.0
"""Seconds after which a tunnel that a freeze has let die can be moved to again, by the policy of the rounds."""


@dataclass
class Measured:
    """A Measured is what has been measured so far; `freezes` are those of the whole machine (soak_watcher.py)."""

    left: list[Left] = field(default_factory=list)
    planned: list[Moved] = field(default_factory=list)
    lasting: list[Lasting] = field(default_factory=list)
    freezes: list[Span] = field(default_factory=list)


def table(measured: Measured) -> Iterator[str]:
    """The lines of the table."""
    if measured.left:
        yield f"\n{'left after, s':<30}{'hub':<12}{'median':>8}{'max':>8}{'never':>7}{'lost':>16}{'moves':>16}  bar"
        yield from (_left_line(its, measured.freezes) for its in _grouped(measured.left))
    if measured.planned:
        yield f"\n{'planned':<30}{'hub':<12}{'n':>4}{'lost':>20}{'hub after, s':>14}{'branch after, s':>17}"
        yield from (_planned_line(its) for its in _grouped(measured.planned))
    if measured.lasting:
        yield f"\n{'lasting':<30}{'hub':<12}{'minutes':>8}{'lost':>20}{'moves hub, branch':>20}  bar"
        yield from (_lasting_line(one, measured.freezes) for one in measured.lasting)
    longest = max((freeze.ends - freeze.begins for freeze in measured.freezes), default=0.0)
    yield f"\nfreezes of the whole machine: {len(measured.freezes)}, the longest {longest * 1000:.0f} ms"


def met(measured: Measured) -> bool:
    """Whether Pointsman met every bar, and every measure was made at least once while the machine did not freeze."""
    ours = [its for its in _grouped(measured.left) if _is_ours(its[0])]
    unfrozen = [_unfrozen(its, measured.freezes) for its in ours]
    return (
        all(its and all(map(_in_time, its)) for its in unfrozen)
        and all(one.lost == 0 for one in measured.planned if _is_ours(one))
        and all(one.moves - _excused(one, measured.freezes) <= _most(one) for one in measured.lasting if _is_ours(one))
    )


def _excused(one: Lasting, freezes: Sequence[Span]) -> int:
    """The moves that a freeze of the machine explains, and those by which they were taken back."""
    return max(
        _excused_moves([one.began + at for at, _ in moves], freezes) for moves in (one.moves_hub, one.moves_branch)
    )


def _excused_moves(moves: Sequence[float], freezes: Sequence[Span]) -> int:
    found = 0
    until = float("-inf")
    for at in moves:
        if any(freeze.overlaps(at - FOLLOWS, at) for freeze in freezes):
            until = at + GOES_BACK
        found += at <= until
    return found


def _unfrozen(its: Sequence[Left], freezes: Sequence[Span]) -> list[Left]:
    """Those in which the machine did not freeze, and not so shortly before that a tunnel was still held back."""
    return [
        one
        for one in its
        if not any(f.overlaps(one.began - HELD, one.began + DISTURBANCES[one.measure].observed) for f in freezes)
    ]


def _is_ours(one: Left | Moved | Lasting) -> bool:
    return KINDS[one.hub].is_pointsman


def _in_time(one: Left) -> bool:
    return one.left is not None and one.left <= DISTURBANCES[one.measure].bar and one.moves == 1


def _most(one: Lasting) -> int:
    return MOST_MOVES[one.measure.partition(" ")[0]]


def _grouped(results: Sequence[_One]) -> list[list[_One]]:
    found: dict[tuple[str, str], list[_One]] = {}
    for one in results:
        found.setdefault((one.measure, one.hub), []).append(one)
    return list(found.values())


def _left_line(its: Sequence[Left], freezes: Sequence[Span]) -> str:
    times = [one.left for one in its if one.left is not None]
    median = f"{statistics.median(times):.2f}" if times else "-"
    highest = f"{max(times):.2f}" if times else "-"
    bar = DISTURBANCES[its[0].measure].bar
    lost = f"{sum(one.lost for one in its)} of {sum(one.sent for one in its):,}"
    moves = ",".join(str(one.moves) for one in its)
    unfrozen = _unfrozen(its, freezes)
    within = f"{sum(map(_in_time, its))} of {len(its)} in {bar:g} s, by one move"
    if len(unfrozen) < len(its):
        within += f"; without a freeze of the machine {sum(map(_in_time, unfrozen))} of {len(unfrozen)}"
    return (
        f"{its[0].measure:<30}{its[0].hub:<12}{median:>8}{highest:>8}{len(its) - len(times):>7}{lost:>16}{moves:>16}"
        f"  {within}"
    )


def _planned_line(its: Sequence[Moved]) -> str:
    sent = min(min(one.sent_to_branch, one.sent_to_hub) for one in its)
    lost = f"{sum(one.lost for one in its)}, each >= {sent:,}"
    hub, branch = ([one.hub_took for one in its], [one.branch_took for one in its])
    return (
        f"{its[0].measure:<30}{its[0].hub:<12}{len(its):>4}{lost:>20}{_longest(hub):>14}{_longest(branch):>17}"
        + ("" if all(one.lost == 0 for one in its) else f"  not met: {sum(one.lost > 0 for one in its)}")
        + _more(its)
    )


def _more(its: Sequence[Moved]) -> str:
    """The ways of kernels that did not go straight."""
    ways = {
        f"{side}: {' '.join(f'{tunnel} {at:.1f}' for at, tunnel in moves)}"
        for one in its
        for side, moves in (("hub", one.moves_hub), ("branch", one.moves_branch))
        if len(moves) > 1
    }
    return f"  {'; '.join(sorted(ways))}" if ways else ""


def _longest(times: Sequence[float | None]) -> str:
    seen = [one for one in times if one is not None]
    return f"<= {max(seen):.2f}" if seen else "-"


def _lasting_line(one: Lasting, freezes: Sequence[Span]) -> str:
    lost = f"{one.lost} of {one.sent:,}"
    moves = f"{len(one.moves_hub)}, {len(one.moves_branch)}"
    excused = _excused(one, freezes)
    frozen = f", {excused} of them by freezes" if excused else ""
    return f"{one.measure:<30}{one.hub:<12}{one.minutes:>8.1f}{lost:>20}{moves:>20}  at most {_most(one)}{frozen}"
