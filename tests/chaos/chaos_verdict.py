"""Is a gap explained by the faults of its time, and by which? Pure.

A gap may last while it takes to notice: one detection, counted from when all that is needed for it was there. What is
needed: a live tunnel; and of our own processes those through which that direction is moved. Anything longer, and any
packet lost without a cut, is a violation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaos_faults import OF_PROCESSES, Kind

HUB_DETECTION = 0.3
"""Seconds: 100 ms x 3."""
BRANCH_DETECTION = 0.5
"""Seconds: the hub sends every 100 ms and asks for 5 missing before it counts as dead."""
SLACK = 0.35
"""Seconds for everything after the detection, and for a machine with two cores and many processes."""
BACK_UP = 3.5
"""Seconds until a healed tunnel counts as live: BFD begins at one packet a second (RFC 5880 6.8.3)."""
SESSION_BACK = 5.0
"""Seconds until a session that lost its connection is there again: BIRD waits up to 2 s, ExaBGP sends its set."""
HOLD_TIME = 9.0
RANDOM_LOSS = "random loss"


@dataclass(frozen=True, slots=True)
class Interval:
    """An Interval is when something was wrong, in seconds of the monotonic clock.

    `target` is a tunnel, or a process; `end` is when it was healed, or when the process was there again.
    """

    kind: Kind
    target: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Site:
    """A Site is what matters of a branch: its tunnels, and whether its router has BFD of its own."""

    name: str
    tunnels: tuple[str, ...]
    own_bfd: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """An Explained is the verdict on one gap: how long it may have been (seconds), and because of what."""

    allowed: float
    because: str


_CUTS = {
    "to_branch": (Kind.CUT, Kind.CUT_TO_BRANCH, Kind.FLAP),
    "to_hub": (Kind.CUT, Kind.CUT_TO_HUB, Kind.FLAP),
}
_PROCESS_BACK = {"forwarder": 2.0, "controller": 2.0, "relay": 2.0, "exabgp-1": SESSION_BACK}
"""Seconds from a process's being there again to its being of use."""


def explain(site: Site, direction: str, begin: float, intervals: Sequence[Interval]) -> Explained:
    """How long a gap that begins now may be; 0 when nothing explains it."""
    cuts = [one for one in intervals if one.target in site.tunnels and one.kind in _CUTS[direction]]
    # The filter is set by a program: packets are lost from a moment before it has returned.
    now_cut = [one for one in cuts if one.begin - 0.05 <= begin <= one.end + 0.05]
    if not now_cut:
        lossy = [one for one in intervals if one.target in site.tunnels and one.kind is Kind.LOSS]
        if any(one.begin - 0.05 <= begin <= one.end + 0.05 for one in lossy):
            return Explained(HUB_DETECTION + SLACK, RANDOM_LOSS)
        return Explained(0.0, "nothing")
    need = (BRANCH_DETECTION if direction == "to_hub" and site.own_bfd else HUB_DETECTION) + SLACK
    ready = _first_free(begin, need, [*_no_tunnel(site, intervals), *_no_process(site, direction, intervals)])
    names = sorted({f"{one.target} {one.kind.value}" for one in _about(intervals, begin, ready + need)})
    return Explained(ready + need - begin, ", ".join(names))


def _about(intervals: Iterable[Interval], begin: float, end: float) -> list[Interval]:
    return [one for one in intervals if one.begin <= end and one.end >= begin - BACK_UP]


def _no_tunnel(site: Site, intervals: Sequence[Interval]) -> list[tuple[float, float]]:
    """When no tunnel of the branch was usable: each is cut, or not counted as live again yet."""
    down: list[tuple[float, float]] | None = None
    for tunnel in site.tunnels:
        mine = [(one.begin, one.end + _until_live(site, one)) for one in intervals if _disturbs(one, tunnel)]
        down = mine if down is None else _both(down, mine)
    return down or []


def _disturbs(one: Interval, tunnel: str) -> bool:
    return one.target == tunnel and one.kind in (
        Kind.CUT,
        Kind.CUT_TO_BRANCH,
        Kind.CUT_TO_HUB,
        Kind.FLAP,
        Kind.LOSS,
    )


def _until_live(site: Site, one: Interval) -> float:
    """From its healing until a tunnel can be moved to; without BFD the branch is told on a session that TCP revives."""
    if site.own_bfd:
        return BACK_UP + SESSION_BACK
    return min(HOLD_TIME, 2 * (one.end - one.begin)) + SESSION_BACK


def _no_process(site: Site, direction: str, intervals: Sequence[Interval]) -> list[tuple[float, float]]:
    # A branch with BFD moves by itself, as long as the hub's end answers it; one without is told by all of ours.
    needed = set(_PROCESS_BACK) if direction == "to_hub" and not site.own_bfd else {"forwarder"}
    return [
        (one.begin, one.end + _PROCESS_BACK[one.target])
        for one in intervals
        if one.kind in (*OF_PROCESSES, Kind.KILL_ALL) and one.target in needed
    ]


def _both(some: Iterable[tuple[float, float]], others: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) < min(b, d)]


def _first_free(begin: float, need: float, blocked: Iterable[tuple[float, float]]) -> float:
    """The first moment from which for `need` seconds nothing is in the way."""
    at = begin
    for start, end in sorted(blocked):
        if end > at and start < at + need:
            at = end
    return at
