"""The types of policy scripts: what a script is told, and what it may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from policies.model.health import HealthState
from policies.model.policy import Metered, RuleChange
from policies.model.view import LivenessState


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelSituation:
    """A TunnelSituation is what a script is told of one tunnel of its branch.

    `kind`, `isp` and `metered` are those of the branch's uplink, `hub_uplink` and `hub_isp` those of the hub's end.
    `loss` is a share from 0 to 1, `rtt`, `jitter` and `usual_rtt` are seconds; None where it is not known. They are
    rounded, so that a script is not asked again for every probe. `drained`: an operator takes it out of service, or it
    is about to be removed. `active`: the hub sends by it now. `rank` is its place by the policy while all is well, from
    0, whatever is wrong with it now.
    """

    name: str
    kind: str = "other"
    isp: str = ""
    metered: bool = False
    hub_uplink: str = ""
    hub_isp: str = ""
    liveness: LivenessState = LivenessState.UP
    health: HealthState = HealthState.UP
    loss: float | None = None
    rtt: float | None = None
    jitter: float | None = None
    usual_rtt: float | None = None
    drained: bool = False
    active: bool = False
    rank: int = 0

    @property
    def usable(self) -> bool:
        """Whether it lives and nobody takes it out of service, be its health what it may."""
        return self.liveness is LivenessState.UP and not self.drained


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchSituation:
    """A BranchSituation is what a script is told of one branch.

    `wall` is the time by the branch's zone, to the minute. `policy` is the name of its policy, `prefer` and `metered`
    what that says, before any rule. `tunnels` are in the order of their rank.
    """

    name: str
    wall: datetime
    tunnels: tuple[TunnelSituation, ...]
    policy: str = "standard"
    prefer: tuple[str, ...] = ()
    metered: Metered = Metered.WHEN_DEGRADED

    @property
    def active(self) -> TunnelSituation | None:
        """The tunnel by which the hub sends to it now."""
        return next((tunnel for tunnel in self.tunnels if tunnel.active), None)

    def tunnel(self, name: str) -> TunnelSituation | None:
        """The tunnel of this name, None if it has none."""
        return next((tunnel for tunnel in self.tunnels if tunnel.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSituation:
    """A NetworkSituation is what a script is told of everything else.

    `wall` is the time by the network's zone, to the minute. `branches` are the names of all branches, in order.
    `on_hub_uplink` and `on_isp` count the branches that are on each uplink of the hub and each ISP of the branches, or
    are being moved there; every name is a key, also of those that nobody is on.
    """

    name: str
    wall: datetime
    branches: tuple[str, ...] = ()
    on_hub_uplink: Mapping[str, int] = field(default_factory=dict)
    on_isp: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """An Adjustment is what a script sets for all traffic of a branch, in place of what rules and policy say.

    It is what a rule can `set`, and no more: `prefer` (names of tunnels or kinds of uplinks, the best first),
    `metered`, and whether a degraded tunnel counts as one that is up. None leaves what is written. Liveness, drains,
    switches and the guards stand above it. `reason` is shown to people: why, in a few words.
    """

    reason: str
    prefer: tuple[str, ...] | None = None
    metered: Metered | None = None
    ignore_degraded: bool = False

    @property
    def change(self) -> RuleChange:
        """The same as a rule's `set`."""
        return RuleChange(prefer=self.prefer, metered=self.metered, ignore_degraded=self.ignore_degraded)
