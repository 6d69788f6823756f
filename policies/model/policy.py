"""Policy: how the tunnels of a branch are ranked, judged, announced and returned to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import Enum
from types import MappingProxyType

from policies.model.announcement import Community, LargeCommunity
from policies.model.health import Damping, HealthLimits, HealthState
from policies.model.ids import Prefix


class Metered(Enum):
    """When a metered tunnel may carry traffic."""

    LAST_RESORT = "last-resort"
    WHEN_DEGRADED = "when-degraded"
    ALLOWED = "allowed"


class FailbackMode(Enum):
    """When traffic may go back to a better tunnel."""

    AUTOMATIC = "automatic"
    WINDOW = "window"
    MANUAL = "manual"
    NEVER = "never"


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""As they are written, from the first of the week on."""


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A TimeWindow is a time of the week by the wall clock of a branch, written `Mon-Fri 18:00-22:00`.

    `days` count from Monday, 0. Where it `ends` at or before it `begins`, it lasts into the next day.
    """

    days: frozenset[int]
    begins: time
    ends: time


@dataclass(frozen=True, slots=True)
class Failback:
    """A Failback says when, and after how long a hold, traffic goes back to a better tunnel.

    `windows` are those of the mode `WINDOW`. `remind_after` is how long a branch may stay on a lesser tunnel, counted
    from when a better one has met its hold, before that is a fault; None: it never is.
    """

    mode: FailbackMode
    hold: timedelta
    windows: tuple[TimeWindow, ...] = ()
    remind_after: timedelta | None = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Marks:
    """A Marks is what is added to the announcements over a tunnel in one state.

    `communities` and `large_communities` come with all that is announced over it. `withdraw`: nothing is
    announced over it, as long as the branch has another usable tunnel.
    """

    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()
    withdraw: bool = False


NO_MARKS = Marks()


@dataclass(frozen=True, slots=True)
class Announce:
    """An Announce is the arithmetic of MED: `first` for the best tunnel, `step` more for each one after it.

    A degraded tunnel has `add_degraded` more, a drained one `add_drained`; of both the larger. `more_specifics`: the
    preferred tunnel also announces both halves of each prefix, for branches that cannot compare MEDs.
    """

    first: int
    step: int
    add_degraded: int
    add_drained: int
    up: Marks = NO_MARKS
    degraded: Marks = NO_MARKS
    drained: Marks = NO_MARKS
    more_specifics: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A Condition is when a rule holds; what is empty or None is not asked. All that is asked must be so.

    `branches` are names. `tunnels`, `kinds`, `isps`, `hub_uplinks`, `health` and `drained` are asked of the branch's
    tunnels: one of them must be all of it. `down` is whether it is dead; where `health` is asked, it is False: what is
    believed of a dead tunnel's health is old. `hub_prefixes` and `branch_prefixes` are the traffic of the rule.
    """

    branches: frozenset[str] = frozenset()
    tunnels: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    isps: frozenset[str] = frozenset()
    hub_uplinks: frozenset[str] = frozenset()
    health: frozenset[HealthState] = frozenset()
    down: bool | None = None
    drained: bool | None = None
    times: tuple[TimeWindow, ...] = ()
    hub_prefixes: tuple[Prefix, ...] = ()
    branch_prefixes: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A RuleChange is what a rule sets in place of what the policy says; None leaves it.

    `ignore_degraded`: a degraded tunnel counts as one that is up.
    """

    prefer: tuple[str, ...] | None = None
    metered: Metered | None = None
    ignore_degraded: bool = False
    failback: Failback | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A Rule changes the policy for some traffic while its condition holds. The first that matches a prefix counts."""

    name: str
    when: Condition
    set: RuleChange


@dataclass(frozen=True, slots=True)
class Policy:
    """A Policy ranks the tunnels of a branch and says how they are judged, announced and returned to.

    `health` has the limits by kind of uplink, `default` for all others. `script` is the name of a Python file.
    """

    name: str
    prefer: tuple[str, ...]
    metered: Metered
    failback: Failback
    announce: Announce
    health: Mapping[str, HealthLimits] = field(default_factory=lambda: MappingProxyType({}))
    damping: Damping | None = None
    rules: tuple[Rule, ...] = ()
    script: str | None = None

    def limits_for(self, kind: str) -> HealthLimits:
        """The limits of tunnels over an uplink of this kind."""
        return self.health.get(kind) or self.health.get("default") or HealthLimits()
