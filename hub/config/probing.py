"""How often the health of a tunnel is probed: by the profile of its liveness, which says how much one hurries there."""

from __future__ import annotations

from datetime import timedelta

from hub.profiles import METERED_IDLE_PROBING, PROBE_RATES, PROFILES
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers, ProbeRate


def probe_rate(liveness: Liveness, *, metered: bool) -> ProbeRate:
    """The rates of a tunnel; timers that are no profile have those of the next slower one."""
    active, _ = PROBE_RATES[_profile(liveness.active)]
    _, idle = PROBE_RATES[_profile(liveness.idle)]
    return ProbeRate(active, METERED_IDLE_PROBING if metered else idle)


def sent_beside(timers: LivenessTimers, interval: timedelta, *, echo: bool) -> bool:
    """Whether probes at this interval are sent at all: where liveness sends echoes at least as often, those serve."""
    echoes = echo or timers.method is LivenessMethod.ICMP
    return not (echoes and timers.interval <= interval)


def _profile(timers: LivenessTimers) -> str:
    slower = [name for name, (interval, _) in PROFILES.items() if interval >= timers.interval]
    return min(slower, key=lambda name: PROFILES[name][0], default="relaxed")
