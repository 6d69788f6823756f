"""How often the health of a tunnel is probed: by the profile of its liveness, which says how much one hurries there."""

from __future__ import annotations

from hub.profiles import METERED_IDLE_PROBING, PROBE_RATES, PROFILES
from policies.model.intent import Liveness, LivenessTimers, ProbeRate


def probe_rate(liveness: Liveness, *, metered: bool) -> ProbeRate:
    """The rates of a tunnel; timers that are no profile have those of the next slower one."""
    active, _ = PROBE_RATES[_profile(liveness.active)]
    _, idle = PROBE_RATES[_profile(liveness.idle)]
    return ProbeRate(active, METERED_IDLE_PROBING if metered else idle)


def _profile(timers: LivenessTimers) -> str:
    slower = [name for name, (interval, _) in PROFILES.items() if interval >= timers.interval]
    return min(slower, key=lambda name: PROFILES[name][0], default="relaxed")
