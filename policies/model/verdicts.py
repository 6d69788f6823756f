"""Verdicts: a decision with its reason. The same word goes to status, to `why`, to the journal and to the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from policies.model.clock import Instant
from policies.model.desired import Desired
from policies.model.ids import Prefix, TunnelId


class Reason(Enum):
    """Why a branch is on the tunnel it is on."""

    PREFERRED = "preferred"
    ONLY_USABLE = "only usable"
    HELD_BACK = "the better tunnel is back, but not for long enough"
    WAITING_FOR_SESSION = "the better tunnel is live, but its BGP session is not complete"
    DAMPED = "the better tunnel came and went too often"
    OUTSIDE_WINDOW = "the better tunnel is back; traffic returns to it in the next window"
    WAITING_FOR_WORD = "the better tunnel is back; traffic returns to it when told to"
    FROZEN = "frozen: nothing moves but away from what is dead"
    DEGRADED_LEFT = "the preferred tunnel is degraded"
    DOWN_LEFT = "the preferred tunnel is down"
    DRAINED_LEFT = "the preferred tunnel is drained"
    LEAST_BAD = "no tunnel is good: this one is the least bad"
    NOTHING_ELSE = "drained, but nothing else can carry"
    SWITCHED = "switched to by an operator"
    FAILBACK_NEVER = "failback is never: it stays until this tunnel gets worse"
    MOVING = "moving"
    TAKEN_BACK = "a move was taken back: the branch did not follow"
    NOT_YET = "no tunnel has answered yet"
    BLIND = "the forwarder does not answer: nothing is changed before it does"
    NOTHING_HEARD = "the branch has announced no prefix yet"
    NO_TUNNEL = "no tunnel is live"


@dataclass(frozen=True, slots=True)
class Place:
    """A Place is one tunnel in the ranking of its branch, with what makes its place."""

    tunnel: TunnelId
    usability: str
    standing: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """A Verdict is what was decided for one branch, and why.

    `active` is what the hub's kernel does now, `chosen` what the branch is made to use; they differ during a move.
    `next_at` is when time alone will change something, `next` what.
    """

    branch: str
    active: TunnelId | None
    chosen: TunnelId | None
    preferred: TunnelId | None
    reason: Reason
    detail: str
    ranking: tuple[Place, ...]
    told: Mapping[TunnelId, int] = field(default_factory=dict)
    survivor: bool = False
    next: str = ""
    next_at: Instant | None = None
    sources: tuple[Prefix, ...] = ()
    """The hub prefixes whose traffic this is about, empty for all others."""
    rule: str = ""
    """The rule that counts for it."""
    only_said: bool = False
    """Whether this is what would be done: the branch is observed only."""
    others: tuple[Verdict, ...] = ()
    """What was decided for the traffic of hub prefixes that rules name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A Decision is the wanted state of everything, one verdict a branch, and when to decide again."""

    desired: Desired
    verdicts: Mapping[str, Verdict]
    wake_at: Instant | None
