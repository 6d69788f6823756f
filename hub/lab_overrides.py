"""What the lab changes in a configuration without editing it: liveness timers, the failback hold, the hub's uplinks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address

from hub.profiles import PROFILES
from policies import lengths
from policies.model.intent import Branch, HubUplink, Intent, LivenessTimers, Tunnel

TIMERS = PROFILES
"""What the lab may be told by name."""


@dataclass(frozen=True, slots=True)
class LabUplink:
    """A LabUplink is what an uplink of the hub is in the lab."""

    name: str
    interface: str
    gateway: str
    address: str
    mark: int


@dataclass(frozen=True, slots=True)
class LabOverrides:
    """A LabOverrides is the timers of every tunnel and the hold of every policy; None leaves what is written.

    `uplinks` are those of the hub, which in the lab are other ones than written.
    """

    timers: tuple[timedelta, int] | None = None
    hold: timedelta | None = None
    uplinks: tuple[LabUplink, ...] = ()

    def arguments(self) -> list[str]:
        """The same for `pointsman run`, so that both ends of every tunnel agree."""
        wanted: list[str] = []
        if self.timers is not None:
            interval, multiplier = self.timers
            wanted += ["--override-timers", f"{lengths.written(interval)}x{multiplier}"]
        if self.hold is not None:
            wanted += ["--override-hold", lengths.written(self.hold)]
        for each in self.uplinks:
            facts = (each.name, each.interface, each.gateway, each.address, str(each.mark))
            wanted += ["--override-uplink", ",".join(facts)]
        return wanted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that carry overrides to a process; not shown in `--help`, as they are for the lab."""
    parser.add_argument("--override-timers", metavar="INTERVALxMULTIPLIER", type=_timers, help=argparse.SUPPRESS)
    parser.add_argument("--override-hold", metavar="DURATION", type=lengths.read, help=argparse.SUPPRESS)
    parser.add_argument("--override-uplink", action="append", default=[], type=_uplink, help=argparse.SUPPRESS)


def from_options(options: argparse.Namespace) -> LabOverrides:
    """The overrides that these options say."""
    return LabOverrides(options.override_timers, options.override_hold, tuple(options.override_uplink))


def _timers(text: str) -> tuple[timedelta, int]:
    interval, _, multiplier = text.partition("x")
    return lengths.read(interval), int(multiplier)


def _uplink(text: str) -> LabUplink:
    name, interface, gateway, address, mark = text.split(",")
    return LabUplink(name, interface, gateway, address, int(mark))


def overridden(intent: Intent, overrides: LabOverrides) -> Intent:
    """The intent with the overrides in it; how a tunnel is asked (BFD or ICMP) stays as written."""
    instead = {each.name: each for each in overrides.uplinks}
    uplinks = {name: _hub_uplink(uplink, instead.get(name)) for name, uplink in intent.hub.uplinks.items()}
    hub = replace(intent.hub, uplinks=uplinks)
    branches = {name: _branch(branch, overrides, uplinks) for name, branch in intent.branches.items()}
    return replace(intent, hub=hub, branches=branches)


def _hub_uplink(uplink: HubUplink, instead: LabUplink | None) -> HubUplink:
    if instead is None:
        return uplink
    address, mark = IPv4Address(instead.address), instead.mark
    return replace(uplink, interface=instead.interface, gateway=instead.gateway, address=address, mark=mark)


def _branch(branch: Branch, overrides: LabOverrides, uplinks: Mapping[str, HubUplink]) -> Branch:
    policy = branch.policy
    if overrides.hold is not None:
        # Who says how long traffic waits in the lab cuts the same tunnel again and again: it is not damped for that.
        policy = replace(policy, failback=replace(policy.failback, hold=overrides.hold), damping=None)
    tunnels = tuple(_tunnel(tunnel, overrides, uplinks) for tunnel in branch.tunnels)
    return replace(branch, policy=policy, tunnels=tunnels)


def _tunnel(tunnel: Tunnel, overrides: LabOverrides, uplinks: Mapping[str, HubUplink]) -> Tunnel:
    tunnel = replace(tunnel, hub_uplink=uplinks[tunnel.hub_uplink.name])
    if overrides.timers is None:
        return tunnel
    interval, multiplier = overrides.timers
    timers = LivenessTimers(tunnel.liveness.active.method, interval, multiplier)
    return replace(tunnel, liveness=replace(tunnel.liveness, active=timers, idle=timers))
