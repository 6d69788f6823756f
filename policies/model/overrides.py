"""Overrides: what an operator said at the command line, beside the files. They end by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from policies.model.ids import TunnelId
from policies.model.intent import Intent, Tunnel


class Scope(Enum):
    """What kind of thing a target is."""

    TUNNEL = "tunnel"
    BRANCH = "branch"
    ISP = "isp"
    HUB_UPLINK = "hub-uplink"
    HUB = "hub"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A Target is what is drained, written `bandung/fiber`, `bandung`, `isp:telkom`, `hub:hq/telkom` or `hub:hq`.

    `isp:telkom` is every tunnel that has an end, of the branch or of the hub, with that ISP.
    """

    text: str

    @property
    def scope(self) -> Scope:
        """What kind of thing it is."""
        if self.text.startswith("isp:"):
            return Scope.ISP
        if self.text.startswith("hub:"):
            return Scope.HUB_UPLINK if "/" in self.text else Scope.HUB
        return Scope.TUNNEL if "/" in self.text else Scope.BRANCH

    def tunnels(self, intent: Intent) -> frozenset[TunnelId]:
        """The tunnels that it means; none when the configuration has nothing of that name."""
        name = self.text.partition(":")[2]
        match self.scope:
            case Scope.TUNNEL | Scope.BRANCH:
                branch = intent.branches.get(self.text.partition("/")[0])
                own = branch.tunnels if branch is not None else ()
                return frozenset(t.id for t in own if self.text in (str(t.id), t.id.branch))
            case Scope.ISP:
                return frozenset(t.id for t in _tunnels(intent) if name in (t.uplink.isp, t.hub_uplink.isp))
            case Scope.HUB_UPLINK:
                hub, _, uplink = name.partition("/")
                every = _tunnels(intent) if hub == intent.hub.name else ()
                return frozenset(t.id for t in every if t.hub_uplink.name == uplink)
            case Scope.HUB:
                return frozenset(t.id for t in _tunnels(intent)) if name == intent.hub.name else frozenset()


def _tunnels(intent: Intent) -> Iterable[Tunnel]:
    return (tunnel for branch in intent.branches.values() for tunnel in branch.tunnels)


@dataclass(frozen=True, slots=True)
class Author:
    """An Author is who said something: the user of the process that asked, by the socket's credentials."""

    uid: int
    user: str


@dataclass(frozen=True, slots=True)
class Override:
    """What all overrides have: a number by which they are named, who, when, why, from when and until when.

    All instants are of the wall clock, so that they outlive a restart; `until` None: until it is taken back.
    """

    number: int
    author: Author
    made: datetime
    begins: datetime
    until: datetime | None
    reason: str

    def holds(self, wall: datetime) -> bool:
        """Whether it counts at this time.

        No time is before it was made: a machine whose clock is not set yet after a power cut must not forget it.
        """
        return self.begins <= max(wall, self.made) and (self.until is None or wall < self.until)


@dataclass(frozen=True, slots=True)
class Drain(Override):
    """A Drain takes tunnels out of service: whatever else is usable carries their traffic.

    `forced`: also where it is the last usable tunnel of a branch. `rate`: so many branches a minute, 0 for all at once.
    `turns` are the branches in the order in which it comes to them, as it was when it was made: another configuration
    must not make it come to one later that is drained already.
    """

    target: Target
    forced: bool = False
    rate: float = 0.0
    turns: tuple[str, ...] = field(default=(), hash=False)


@dataclass(frozen=True, slots=True)
class Switch(Override):
    """A Switch prefers one tunnel of a branch to what its policy says; it is left as any other when it is bad."""

    branch: str
    to: str


@dataclass(frozen=True, slots=True)
class Freeze(Override):
    """A Freeze stops all moves but failover."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """An Overrides is all of them, in the order in which they were made, and the failbacks that were asked for.

    `failback` are the branches whose policy waits for a word, with the time until which the word counts.
    """

    drains: tuple[Drain, ...] = ()
    switches: tuple[Switch, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    failback: tuple[tuple[str, datetime], ...] = ()

    def all(self) -> tuple[Override, ...]:
        """Every one, by number."""
        every: list[Override] = [*self.drains, *self.switches, *self.freezes]
        return tuple(sorted(every, key=lambda override: override.number))

    def at(self, wall: datetime) -> Overrides:
        """Those that count at this time: neither what is scheduled nor what is over."""
        return Overrides(
            tuple(drain for drain in self.drains if drain.holds(wall)),
            tuple(switch for switch in self.switches if switch.holds(wall)),
            tuple(freeze for freeze in self.freezes if freeze.holds(wall)),
            tuple((branch, until) for branch, until in self.failback if wall < until),
        )


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class InForce:
    """An InForce is what the overrides mean for one branch now.

    `switched`: the tunnel that is preferred to what its policy says. `go_back`: traffic may return now.
    """

    drained: frozenset[TunnelId] = frozenset()
    switched: TunnelId | None = None
    frozen: bool = False
    go_back: bool = False


NONE_IN_FORCE = InForce()
