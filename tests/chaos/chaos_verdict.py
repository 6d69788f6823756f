"""Is a gap explained by the faults of its time, and by which? Pure.

A gap begins when the tunnel in use is cut, and may last one detection, counted from when all that is needed for the
move was there:

    to the branch    a live tunnel; the forwarder
    to the hub       a live tunnel that the branch can be told of, or knows of by itself; the hub's BFD (the forwarder);
                     and without BFD all of the hub's processes, as the branch is told. With BFD but an unguarded floor
                     a session, and so ExaBGP: without one the branch has only its floor, which may point into the
                     dead tunnel

Anything longer, and any packet lost without a cut of the tunnel in use, is a violation.
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
    """A Site is what matters of a branch in one IP version: its tunnels, the preferred one first, and its own liveness.

    `own_bfd`: its router has BFD for its sessions. `guarded_floor`: it has BFD for its static floor too.
    """

    name: str
    tunnels: tuple[str, ...]
    own_bfd: bool
    guarded_floor: bool

    @property
    def branch(self) -> str:
        """The branch's name."""
        return self.tunnels[0].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Explained:
    """An Explained is the verdict on one gap: how long it may have been (seconds), and because of what.

    It waited for so long until all was there that it takes to move, and then had `need` to notice and to move.
    """

    waited: float
    need: float
    because: str

    @property
    def allowed(self) -> float:
        """The sum of both."""
        return self.waited + self.need


_CUTS = {
    "to_branch": (Kind.CUT, Kind.CUT_TO_BRANCH, Kind.FLAP),
    "to_hub": (Kind.CUT, Kind.CUT_TO_HUB, Kind.FLAP),
}
_PROCESS_BACK = {"forwarder": 2.0, "controller": 2.0, "relay": 2.0, "exabgp-1": SESSION_BACK}
"""Seconds from a process's being there again to its being of use."""
_ENDS = (Kind.KILL, Kind.RESTART, Kind.KILL_ALL)
_MOVERS = ("forwarder", "exabgp-1")
"""Processes whose fault alone may move a branch: the forwarder's ends BFD, ExaBGP's the sessions."""


def explain(site: Site, direction: str, begin: float, intervals: Sequence[Interval]) -> Explained:
    """How long a gap that begins now may be; 0 when nothing explains it."""
    usable = [tunnel for tunnel in site.tunnels if _may_be_in_use(site, tunnel, begin, intervals)]
    # The filter is set by a program: packets are lost from a moment before it has returned.
    now = [one for one in intervals if one.target in usable and one.begin - 0.05 <= begin <= one.end + 0.05]
    if not any(one.kind in _CUTS[direction] for one in now):
        if any(one.kind is Kind.LOSS for one in now):
            return Explained(0.0, HUB_DETECTION + SLACK, RANDOM_LOSS)
        return Explained(0.0, 0.0, "nothing")
    need = (BRANCH_DETECTION if direction == "to_hub" and site.own_bfd else HUB_DETECTION) + SLACK
    blocked = [*_no_tunnel(site, direction, intervals), *_no_process(site, direction, intervals)]
    ready = _first_free(begin, need, blocked)
    names = sorted({f"{one.target} {one.kind.value}" for one in _about(intervals, begin, ready + need)})
    return Explained(ready - begin, need, ", ".join(names))


def _may_be_in_use(site: Site, tunnel: str, begin: float, intervals: Iterable[Interval]) -> bool:
    """The preferred one is; another one only when something of this episode may have moved the branch before."""
    if tunnel == site.tunnels[0]:
        return True
    movers = {*site.tunnels, site.branch, *_MOVERS} - {tunnel}
    return any(one.begin <= begin and one.target in movers for one in intervals)


def _about(intervals: Iterable[Interval], begin: float, end: float) -> list[Interval]:
    return [one for one in intervals if one.begin <= end and one.end >= begin - BACK_UP]


def _no_tunnel(site: Site, direction: str, intervals: Sequence[Interval]) -> list[tuple[float, float]]:
    """When no tunnel of the branch was usable: each is cut, or not counted as live again yet."""
    down: list[tuple[float, float]] | None = None
    for tunnel in site.tunnels:
        mine = [(one.begin, one.end + _until_live(site, direction, one)) for one in intervals if _disturbs(one, tunnel)]
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


def _until_live(site: Site, direction: str, one: Interval) -> float:
    """From its healing until a tunnel can be moved to; where a session is needed, until that is there as well.

    Without BFD the branch is told on a session that TCP revives: it sends again after at most twice the time so far.
    """
    if direction == "to_branch" or site.guarded_floor:
        return BACK_UP
    if site.own_bfd:
        return BACK_UP + SESSION_BACK
    return min(HOLD_TIME, 2 * (one.end - one.begin)) + SESSION_BACK


def _no_process(site: Site, direction: str, intervals: Iterable[Interval]) -> list[tuple[float, float]]:
    struck = (one for one in intervals if one.kind in (*OF_PROCESSES, Kind.KILL_ALL))
    return [(one.begin, one.end + back) for one in struck if (back := _until_of_use(site, direction, one)) is not None]


def _until_of_use(site: Site, direction: str, one: Interval) -> float | None:
    """From a process's being there again until the branch can be moved; None where it is not needed for that."""
    back = _PROCESS_BACK[one.target]
    if direction == "to_branch" or site.guarded_floor:
        return back if one.target == "forwarder" else None
    if not site.own_bfd:
        return back
    match one.target:
        case "forwarder":
            # Whoever hears no BFD for its detection ends its sessions, and then has only its floor.
            return back + SESSION_BACK * (one.end - one.begin > BRANCH_DETECTION)
        case "exabgp-1" if one.kind in _ENDS:
            return back
    return None


def _both(some: Iterable[tuple[float, float]], others: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) < min(b, d)]


def _first_free(begin: float, need: float, blocked: Iterable[tuple[float, float]]) -> float:
    """The first moment from which for `need` seconds nothing is in the way."""
    at = begin
    for start, end in sorted(blocked):
        if end > at and start < at + need:
            at = end
    return at
