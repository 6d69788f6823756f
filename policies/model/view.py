"""View: what is believed now. Absent means not known, which is neither fine nor dead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from types import MappingProxyType

from policies.model.announcement import Announcement
from policies.model.clock import NEVER, Instant
from policies.model.health import NOT_MEASURED, HealthView
from policies.model.ids import Prefix, TunnelId
from policies.model.overrides import NONE_IN_FORCE, InForce
from policies.model.policy import RuleChange
from policies.model.targets import CheckKey, CheckView

ARRIVES = timedelta(seconds=10)
"""How long a tunnel must live after a change was sent, for the branch to have it for certain: the longest time until a
death is noticed, and TCP's retransmission."""

NOTHING: Mapping[Prefix, Announcement] = MappingProxyType({})


class LivenessState(Enum):
    """Whether the far end of a tunnel answers."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class SessionState(Enum):
    """Whether a BGP session is established."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LivenessView:
    """A LivenessView is what the forwarder last said of a tunnel; `hard` when liveness itself (BFD) is down."""

    state: LivenessState = LivenessState.UNKNOWN
    since: Instant = NEVER
    reason: str = "not heard of yet"
    hard: bool = True
    after_death: bool = True
    """Whether the tunnel has died since it was first known, so that traffic returns to it only after a hold.

    Not so if it was only found dead by probes while its session stood, after it had lived for long.
    """
    faltered: bool = False
    """Whether it has died at all, be it for a moment, or while everything started: then it is returned to after a
    short hold at the soonest."""
    known_since: Instant = NEVER
    """When it was first known to be up or down."""
    certain_since: Instant = NEVER
    """Before this its present state is not certain, whatever `since` says: it was told to be another.

    A forwarder that was restarted may not know of a death that it told us of.
    """


@dataclass(frozen=True, slots=True)
class Heard:
    """A Heard is a prefix that a branch announced; `held_since` when its session is gone and we keep it."""

    since: Instant
    held_since: Instant | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """A Replaced is the best value of a prefix that was taken back of late, and when the last such change was sent."""

    announcement: Announcement
    at: Instant


@dataclass(frozen=True, slots=True)
class SessionView:
    """A SessionView is what is known of the BGP session on one tunnel.

    `sent` is what the branch was last *seen* to be sent on this session, never what was only wanted; `sent_before` is
    what the sessions before it sent, which the branch may hold until this session's whole set has been sent; and, when
    the tunnel dies, what was `replaced` so shortly before that the change may not have arrived.
    `complete` says that the whole set and its End-of-RIB have been sent on the present session.
    """

    state: SessionState = SessionState.UNKNOWN
    since: Instant = NEVER
    reason: str = ""
    complete: bool = False
    sent: Mapping[Prefix, Announcement] = field(default_factory=dict)
    sent_before: Mapping[Prefix, Announcement] = field(default_factory=dict)
    heard: Mapping[Prefix, Heard] = field(default_factory=dict)
    end_of_rib: bool = False
    replaced: Mapping[Prefix, Replaced] = field(default_factory=dict)
    sent_at: Instant = NEVER
    """When something was announced last on the present session."""
    lost: Instant = NEVER
    """When the session before this one was lost; NEVER before any was."""

    @property
    def lowest_held(self) -> int | None:
        """The lowest MED that the branch may hold from this tunnel, None when it holds nothing."""
        meds = [said.med for set_ in (self.sent, self.sent_before) for said in set_.values()]
        return min(meds, default=None)


@dataclass(frozen=True, slots=True)
class ClassView:
    """A ClassView is a forwarding class as the forwarder has it in the kernel; `epoch` counts its own moves.

    `sources` are those whose packets it forwards, empty for all others.
    """

    name: str
    branch: str
    active: TunnelId | None
    order: tuple[TunnelId, ...]
    prefixes: tuple[Prefix, ...]
    epoch: int
    since: Instant
    reason: str
    sources: tuple[Prefix, ...] = ()


PathKey = tuple[str, int]
"""A branch, and the IP version (4 or 6) of the routes by which it answers."""


PATH_FRESH = timedelta(seconds=3)
"""How old an answer to the return-path probe, asked for once a second, may be and still say where the branch sends."""


@dataclass(frozen=True, slots=True)
class PathSeen:
    """A PathSeen is the tunnel on which a branch's answers were last seen to come back, and since when without change.

    `at` is the time of the newest answer, `since` that of the first answer on this tunnel.
    """

    tunnel: TunnelId
    since: Instant
    at: Instant

    def is_fresh(self, now: Instant) -> bool:
        """Whether it says where the branch sends now."""
        return now - self.at <= PATH_FRESH.total_seconds()


@dataclass(frozen=True, slots=True)
class View:
    """A View is all that is believed at one moment; a new event makes a new View."""

    liveness: Mapping[TunnelId, LivenessView] = field(default_factory=dict)
    sessions: Mapping[TunnelId, SessionView] = field(default_factory=dict)
    classes: Mapping[str, ClassView] = field(default_factory=dict)
    paths: Mapping[PathKey, PathSeen] = field(default_factory=dict)
    health: Mapping[TunnelId, HealthView] = field(default_factory=dict)
    in_force: Mapping[str, InForce] = field(default_factory=dict)
    """What operators have said, by branch; a branch that is absent goes by its policy alone."""
    undrained: Mapping[TunnelId, Instant] = field(default_factory=dict)
    """When tunnels ceased to be drained: the hold counts from there."""
    adjustments: Mapping[str, RuleChange] = field(default_factory=dict)
    """What policy scripts last said, by branch."""
    forwarder: bool = False
    """Whether the forwarder is connected, so that liveness, classes and paths are fresh."""
    speakers: frozenset[int] = frozenset()
    """The ExaBGP processes whose relay is connected and has told all it remembers."""
    targets: Mapping[CheckKey, CheckView] = field(default_factory=dict)
    """What is asked beyond the tunnels, by each way in which it is asked."""
    _of_branches: dict[str, tuple[ClassView, ...]] = field(init=False, repr=False, compare=False, default_factory=dict)
    """The classes by branch, put in order when they are first asked for: each of 1,000 branches asks."""

    def liveness_of(self, tunnel: TunnelId) -> LivenessView:
        """What is believed of the tunnel's liveness; unknown when nothing was said."""
        return self.liveness.get(tunnel, UNHEARD)

    def session_of(self, tunnel: TunnelId) -> SessionView:
        """What is believed of the tunnel's session; unknown when nothing was said."""
        return self.sessions.get(tunnel, NO_SESSION)

    def classes_of(self, branch: str) -> tuple[ClassView, ...]:
        """The forwarding classes of the branch that the kernel has."""
        if not self._of_branches and self.classes:
            every: dict[str, list[ClassView]] = {}
            for each in self.classes.values():
                every.setdefault(each.branch, []).append(each)
            self._of_branches.update({name: tuple(classes) for name, classes in every.items()})
        return self._of_branches.get(branch, ())

    def narrowed(self, sessions: Mapping[TunnelId, SessionView], paths: Mapping[PathKey, PathSeen]) -> View:
        """The view with these sessions and paths in place of its own."""
        self.classes_of("")
        narrow = replace(self, sessions=sessions, paths=paths)
        narrow._of_branches.update(self._of_branches)
        return narrow

    def health_of(self, tunnel: TunnelId) -> HealthView:
        """What is believed of the tunnel's health; unknown when nothing was measured."""
        return self.health.get(tunnel, NOT_MEASURED)

    def overridden(self, branch: str) -> InForce:
        """What operators have said of the branch."""
        return self.in_force.get(branch, NONE_IN_FORCE)

    def scripted(self, branch: str) -> RuleChange | None:
        """What a policy script last said of the branch, None for nothing."""
        return self.adjustments.get(branch)


UNHEARD = LivenessView()
NO_SESSION = SessionView()
