"""Which tunnels died in whose eyes, how, and whether the machine was frozen then. Pure; instants are CLOCK_MONOTONIC's.

A death is a change from up to down. It lies in a freeze when the freeze overlaps the time from one interval before the
last packet that was heard until the death: what was sent or should have been sent then is what is missing. What one
side only was told by the other lies in a freeze when the other side's own judgement does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

TOLD_WITHIN = 1.0
"""Seconds. The longest time from one side's death until the other has been told of it."""
CLOCKS_APART = 0.1
"""Seconds. By how much an instant in a router's log may seem earlier than its cause."""
ONE_MOMENT = 0.25
"""Seconds. Deaths that are no further apart have one cause, whatever it is."""


class Eye(Enum):
    """Who judged."""

    HUB = "hub"
    BRANCH = "branch"


class Kind(Enum):
    """How a tunnel died."""

    CONFIRMED = "soft, by confirmation"
    EXPIRED = "hard, by detection time"
    HARDENED = "hard, after it was soft"
    TOLD = "told by the other side"
    OTHER = "for another reason"


@dataclass(frozen=True, slots=True)
class Change:
    """A Change is a tunnel that is now up (`kind` is None), or down; `heard` is when its last packet had come."""

    eye: Eye
    tunnel: str
    at: float
    kind: Kind | None
    reason: str = ""
    heard: float | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A Span is a time: of a freeze, seen by the watcher of one processor or (None) of no particular one, or a stop."""

    begins: float
    ends: float
    processor: int | None = None

    def overlaps(self, begins: float, ends: float) -> bool:
        """Whether they have an instant in common."""
        return self.begins <= ends and begins <= self.ends


@dataclass(frozen=True, slots=True)
class Death:
    """A Death is a change to down, and what went on at the time: freezes of the machine, of one processor, stops.

    `follows` says that it is the second half of another death: the same side's, or the other's that it was told of.
    """

    change: Change
    kind: Kind
    follows: bool = False
    in_freeze: bool = False
    in_freeze_of_one: bool = False
    in_stop: bool = False


def from_forwarder(liveness: Mapping[str, Any]) -> Change | None:
    """What a LIVENESS of docs/reference/sockets.md says; None while nothing is known of the tunnel."""
    tunnel, since, reason = liveness["tunnel"], liveness["since"], liveness["reason"]
    if liveness["state"] == "unknown":
        return None
    if liveness["state"] == "up":
        return Change(Eye.HUB, tunnel, since, None, reason)
    return Change(Eye.HUB, tunnel, since, _kind(reason, hard=liveness["hard"]), reason, liveness["last_heard"])


def _kind(reason: str, *, hard: bool) -> Kind:
    if not hard:
        return Kind.CONFIRMED
    if reason.startswith("silent for"):
        return Kind.EXPIRED
    return Kind.TOLD if reason.startswith("the branch") else Kind.OTHER


def deaths(
    changes: Iterable[Change], freezes: Sequence[Span], stops: Sequence[Span], interval: float, within: Span
) -> list[Death]:
    """Every death within the time of the measurement, in order; `interval` is the liveness interval, in seconds."""
    found = _found(changes, within)
    return [_judged(death, found, freezes, stops, interval) for death in found]


def _found(changes: Iterable[Change], within: Span) -> list[Death]:
    """Every death as it was, not yet judged. All tunnels are up at first."""
    down: dict[tuple[Eye, str], Kind | None] = {}
    found = []
    for change in sorted(changes, key=lambda change: change.at):
        key = (change.eye, change.tunnel)
        kind = _new_kind(down.get(key), change.kind)
        down[key] = change.kind
        if kind is not None and within.begins <= change.at <= within.ends:
            found.append(Death(change, kind))
    return found


def _new_kind(before: Kind | None, now: Kind | None) -> Kind | None:
    """What this change adds to what the tunnel had suffered before it; None for nothing."""
    if before is None or now is None:
        return now
    return Kind.HARDENED if before is Kind.CONFIRMED and now is not Kind.CONFIRMED else None


def _judged(
    death: Death, all_of_them: Sequence[Death], freezes: Sequence[Span], stops: Sequence[Span], interval: float
) -> Death:
    cause = _cause(death, all_of_them) or death.change
    begins = (cause.at if cause.heard is None else cause.heard) - interval
    frozen = [freeze for freeze in freezes if freeze.overlaps(begins, cause.at)]
    return Death(
        death.change,
        death.kind,
        follows=death.kind is Kind.HARDENED or cause is not death.change,
        in_freeze=any(freeze.processor is None for freeze in frozen),
        in_freeze_of_one=any(freeze.processor is not None for freeze in frozen),
        in_stop=any(stop.overlaps(begins, cause.at) for stop in stops),
    )


def _cause(death: Death, all_of_them: Sequence[Death]) -> Change | None:
    """The other side's own death, of which this side was told and by which it is judged; None if there is none."""
    told = death.change
    causes = [
        other.change
        for other in all_of_them
        if other.change.tunnel == told.tunnel
        and other.change.eye is not told.eye
        and other.kind in (Kind.EXPIRED, Kind.HARDENED, Kind.OTHER)
        and told.at - TOLD_WITHIN <= other.change.at <= told.at + CLOCKS_APART
    ]
    return max(causes, key=lambda change: change.at) if death.kind is Kind.TOLD and causes else None


def unexplained(found: Iterable[Death]) -> list[Death]:
    """The deaths that no freeze of the machine explains, each once."""
    return [death for death in found if not death.in_freeze and not death.follows]


@dataclass(frozen=True, slots=True)
class Row:
    """A Row is the deaths of one kind in one side's eyes; `moments` is at how many separate times they were."""

    eye: Eye
    kind: Kind
    all: int
    in_freeze: int
    in_freeze_of_one: int
    in_stop: int
    moments: int

    @property
    def not_in_freeze(self) -> int:
        """How many of them no freeze of the machine explains."""
        return self.all - self.in_freeze


def rows(found: Sequence[Death]) -> list[Row]:
    """A row for each side and kind; those for kinds that are rare only when there were any."""
    always = {Eye.HUB: (Kind.CONFIRMED, Kind.EXPIRED, Kind.TOLD), Eye.BRANCH: (Kind.EXPIRED, Kind.TOLD)}
    pairs = [(eye, kind) for eye in Eye for kind in Kind]
    made = [_row(eye, kind, [d for d in found if d.change.eye is eye and d.kind is kind]) for eye, kind in pairs]
    return [row for row in made if row.all or row.kind in always[row.eye]]


def _row(eye: Eye, kind: Kind, chosen: Sequence[Death]) -> Row:
    return Row(
        eye=eye,
        kind=kind,
        all=len(chosen),
        in_freeze=sum(death.in_freeze for death in chosen),
        in_freeze_of_one=sum(death.in_freeze_of_one for death in chosen),
        in_stop=sum(death.in_stop for death in chosen),
        moments=moments([death.change.at for death in chosen]),
    )


def moments(instants: Iterable[float]) -> int:
    """At how many separate times these were."""
    ordered = sorted(instants)
    return sum(1 for before, at in zip([float("-inf"), *ordered], ordered, strict=False) if at - before > ONE_MOMENT)


def differences(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By how much every counter has grown; those that are new begin at 0, those that have not moved are left out.

    The lateness of the forwarder's loop is no counter: it is as it was at the end.
    """
    grown = {name: value - before.get(name, 0) * ("lateness" not in name) for name, value in sorted(after.items())}
    return {name: value for name, value in grown.items() if value}
