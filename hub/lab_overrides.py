"""What the lab changes in a configuration without editing it: liveness timers and the failback hold."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from datetime import timedelta

from hub.profiles import PROFILES
from policies import lengths
from policies.model.intent import Branch, Intent, LivenessTimers, Tunnel

TIMERS = PROFILES
"""What the lab may be told by name."""


@dataclass(frozen=True, slots=True)
class LabOverrides:
    """A LabOverrides is the timers of every tunnel and the hold of every policy; None leaves what is written."""

    timers: tuple[timedelta, int] | None = None
    hold: timedelta | None = None

    def arguments(self) -> list[str]:
        """The same for `pointsman run`, so that both ends of every tunnel agree."""
        wanted: list[str] = []
        if self.timers is not None:
            interval, multiplier = self.timers
            wanted += ["--override-timers", f"{lengths.written(interval)}x{multiplier}"]
        if self.hold is not None:
            wanted += ["--override-hold", lengths.written(self.hold)]
        return wanted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two options that carry overrides to a process; not shown in `--help`, as they are for the lab."""
    parser.add_argument("--override-timers", metavar="INTERVALxMULTIPLIER", type=_timers, help=argparse.SUPPRESS)
    parser.add_argument("--override-hold", metavar="DURATION", type=lengths.read, help=argparse.SUPPRESS)


def from_options(options: argparse.Namespace) -> LabOverrides:
    """The overrides that these options say."""
    return LabOverrides(options.override_timers, options.override_hold)


def _timers(text: str) -> tuple[timedelta, int]:
    interval, _, multiplier = text.partition("x")
    return lengths.read(interval), int(multiplier)


def overridden(intent: Intent, overrides: LabOverrides) -> Intent:
    """The intent with the overrides in it; how a tunnel is asked (BFD or ICMP) stays as written."""
    return replace(intent, branches={name: _branch(branch, overrides) for name, branch in intent.branches.items()})


def _branch(branch: Branch, overrides: LabOverrides) -> Branch:
    policy = branch.policy
    if overrides.hold is not None:
        # Who says how long traffic waits in the lab cuts the same tunnel again and again: it is not damped for that.
        policy = replace(policy, failback=replace(policy.failback, hold=overrides.hold), damping=None)
    return replace(branch, policy=policy, tunnels=tuple(_tunnel(tunnel, overrides) for tunnel in branch.tunnels))


def _tunnel(tunnel: Tunnel, overrides: LabOverrides) -> Tunnel:
    if overrides.timers is None:
        return tunnel
    interval, multiplier = overrides.timers
    timers = LivenessTimers(tunnel.liveness.active.method, interval, multiplier)
    return replace(tunnel, liveness=replace(tunnel.liveness, active=timers, idle=timers))
