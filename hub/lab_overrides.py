"""What the lab changes in a configuration without editing it: liveness timers and the failback hold."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from datetime import timedelta

from hub.profiles import PROFILES
from policies.model.intent import Branch, Intent, LivenessTimers, Tunnel

TIMERS = PROFILES
"""What the lab may be told by name."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Overrides:
    """An Overrides is the timers of every tunnel and the hold of every policy; None leaves what is written."""

    timers: tuple[timedelta, int] | None = None
    hold: timedelta | None = None

    def arguments(self) -> list[str]:
        """The same for `pointsman run`, so that both ends of every tunnel agree."""
        wanted: list[str] = []
        if self.timers is not None:
            interval, multiplier = self.timers
            wanted += ["--override-timers", f"{milliseconds(interval)}x{multiplier}"]
        if self.hold is not None:
            wanted += ["--override-hold", milliseconds(self.hold)]
        return wanted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two options that carry overrides to a process; not shown in `--help`, as they are for the lab."""
    parser.add_argument("--override-timers", metavar="INTERVALxMULTIPLIER", type=_timers, help=argparse.SUPPRESS)
    parser.add_argument("--override-hold", metavar="DURATION", type=duration, help=argparse.SUPPRESS)


def from_options(options: argparse.Namespace) -> Overrides:
    """The overrides that these options say."""
    return Overrides(options.override_timers, options.override_hold)


def _timers(text: str) -> tuple[timedelta, int]:
    interval, _, multiplier = text.partition("x")
    return duration(interval), int(multiplier)


def overridden(intent: Intent, overrides: Overrides) -> Intent:
    """The intent with the overrides in it; how a tunnel is asked (BFD or ICMP) stays as written."""
    return replace(intent, branches={name: _branch(branch, overrides) for name, branch in intent.branches.items()})


def _branch(branch: Branch, overrides: Overrides) -> Branch:
    policy = branch.policy
    if overrides.hold is not None:
        # Who says how long traffic waits in the lab cuts the same tunnel again and again: it is not damped for that.
        policy = replace(policy, failback=replace(policy.failback, hold=overrides.hold), damping=None)
    return replace(branch, policy=policy, tunnels=tuple(_tunnel(tunnel, overrides) for tunnel in branch.tunnels))


def _tunnel(tunnel: Tunnel, overrides: Overrides) -> Tunnel:
    if overrides.timers is None:
        return tunnel
    interval, multiplier = overrides.timers
    timers = LivenessTimers(tunnel.liveness.active.method, interval, multiplier)
    return replace(tunnel, liveness=replace(tunnel.liveness, active=timers, idle=timers))


def duration(text: str) -> timedelta:
    """Read `50ms`, `3s`, `1.5m`.

    Raises:
        ValueError: it is no number with a unit.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a duration: write a number and us, ms, s, m or h, for example 80ms')
    try:
        return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise ValueError(f'"{text}" is too long') from error


def milliseconds(value: timedelta) -> str:
    """A duration as it is written on a command line, in milliseconds."""
    text = f"{value / timedelta(milliseconds=1):.3f}"
    return text.rstrip("0").rstrip(".") + "ms"
