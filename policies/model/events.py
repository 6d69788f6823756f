"""Everything that can happen, one class each. Adapters make them, `policies.observe` folds them into the view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.model.announcement import Announcement
from policies.model.clock import NEVER, Instant
from policies.model.health import HealthView, Samples
from policies.model.ids import Prefix, TunnelId
from policies.model.overrides import InForce
from policies.model.policy import RuleChange
from policies.model.targets import CheckKey, CheckResult
from policies.model.view import ClassView, LivenessView, PathKey, SessionState


@dataclass(frozen=True, slots=True)
class ForwarderConnected:
    """The forwarder answered, with all that it knows."""

    liveness: Mapping[TunnelId, LivenessView]
    classes: Mapping[str, ClassView]
    paths: Mapping[PathKey, tuple[TunnelId, Instant]]


@dataclass(frozen=True, slots=True)
class ForwarderLost:
    """The forwarder is not there; what it said last still stands, but grows old."""


@dataclass(frozen=True, slots=True)
class LivenessChanged:
    """A tunnel came up, died, or became unknown."""

    tunnel: TunnelId
    liveness: LivenessView


@dataclass(frozen=True, slots=True)
class ClassChanged:
    """A forwarding class is now so in the kernel, by our order or by the forwarder's own move."""

    state: ClassView


@dataclass(frozen=True, slots=True)
class ClassGone:
    """A forwarding class is no longer in the kernel."""

    name: str


@dataclass(frozen=True, slots=True)
class PathAnswered:
    """A return-path probe of this branch was answered over this tunnel, by the branch's routes of this IP version."""

    branch: str
    tunnel: TunnelId
    at: Instant
    version: int = 4


@dataclass(frozen=True, slots=True)
class SamplesTaken:
    """Health probes over these tunnels have met their fate."""

    samples: Mapping[TunnelId, tuple[Samples, ...]]


@dataclass(frozen=True, slots=True)
class SpeakerConnected:
    """The relay of an ExaBGP process answered; its memory follows as ordinary events, then `SpeakerReady`."""

    process: int = 1
    tunnels: frozenset[TunnelId] = frozenset()


@dataclass(frozen=True, slots=True)
class SpeakerReady:
    """The relay has told all that it remembers: of its `tunnels`, what it did not name is not there."""

    at: Instant
    process: int = 1
    tunnels: frozenset[TunnelId] = frozenset()


@dataclass(frozen=True, slots=True)
class SpeakerLost:
    """The relay is gone. `exabgp_gone` when ExaBGP is known to have died, and all sessions of `tunnels` with it."""

    at: Instant
    exabgp_gone: bool
    process: int = 1
    tunnels: frozenset[TunnelId] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A BGP session came up or went down; or one that is down does not come up for another reason than before."""

    tunnel: TunnelId
    state: SessionState
    at: Instant
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RoutesHeard:
    """A branch announced these prefixes, which its configuration allows it."""

    tunnel: TunnelId
    prefixes: tuple[Prefix, ...]
    at: Instant


@dataclass(frozen=True, slots=True)
class RoutesWithdrawn:
    """A branch withdrew these prefixes."""

    tunnel: TunnelId
    prefixes: tuple[Prefix, ...]
    at: Instant


@dataclass(frozen=True, slots=True)
class EndOfRibHeard:
    """A branch has announced all it has since its session came up."""

    tunnel: TunnelId
    at: Instant


@dataclass(frozen=True, slots=True)
class AnnouncementsSent:
    """ExaBGP handed an update with these announcements and withdrawals to TCP."""

    tunnel: TunnelId
    announced: Mapping[Prefix, Announcement]
    withdrawn: tuple[Prefix, ...]
    at: Instant


@dataclass(frozen=True, slots=True)
class SetSent:
    """The whole set and its End-of-RIB have been sent on the present session."""

    tunnel: TunnelId
    at: Instant


@dataclass(frozen=True, slots=True)
class RouteRefused:
    """Something that a branch announced was not accepted; recorded, with no effect on the view."""

    tunnel: TunnelId
    prefix: str
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A tunnel's health was judged anew."""

    tunnel: TunnelId
    health: HealthView


@dataclass(frozen=True, slots=True)
class InForceChanged:
    """What operators have said means this now, by branch; a branch that is absent goes by its policy alone.

    `undrained` are tunnels that were drained before this was seen, and when they ceased to be.
    """

    in_force: Mapping[str, InForce]
    at: Instant = NEVER
    undrained: Mapping[TunnelId, Instant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Policy scripts say this now, by branch."""

    adjustments: Mapping[str, RuleChange]


@dataclass(frozen=True, slots=True)
class ChecksTaken:
    """Targets and custom checks were asked, in this order; `gone` are asked no more, or another question by now."""

    results: tuple[CheckResult, ...] = ()
    gone: frozenset[CheckKey] = frozenset()


Event = (
    ForwarderConnected
    | ForwarderLost
    | LivenessChanged
    | ClassChanged
    | ClassGone
    | PathAnswered
    | SamplesTaken
    | SpeakerConnected
    | SpeakerReady
    | SpeakerLost
    | SessionChanged
    | RoutesHeard
    | RoutesWithdrawn
    | EndOfRibHeard
    | AnnouncementsSent
    | SetSent
    | RouteRefused
    | HealthChanged
    | InForceChanged
    | Adjusted
    | ChecksTaken
)
