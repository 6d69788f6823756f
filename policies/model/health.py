"""Health: how well a tunnel that lives carries packets. Liveness is another matter, and the forwarder's."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from policies.model.clock import NEVER, Instant


class HealthState(Enum):
    """How well a tunnel carries packets. `UNKNOWN` is taken neither for fine nor for bad."""

    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


class Metric(Enum):
    """What is measured of a tunnel: the share of probes lost, the round trip, and by how much it varies."""

    LOSS = "loss"
    RTT = "rtt"
    JITTER = "jitter"


@dataclass(frozen=True, slots=True)
class Limit:
    """A Limit is how much of a metric, over how long a window, is too much.

    `value` is a share from 0 to 1 for loss, and seconds for round trip and jitter; `above_usual` adds to it what is
    usual on the tunnel. Over the window loss is the mean, round trip and jitter are the median.
    """

    metric: Metric
    value: float
    over: timedelta
    above_usual: bool = False


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """A HealthLimits says when a tunnel becomes degraded (any limit is passed), and when healthy (all are kept).

    `healthy_when_all` has at least one limit for every metric of `degraded_when_any`: what is not written is half the
    least limit of leaving, over the longest window of that metric, or over a minute if that is longer. `full_size`:
    it is also degraded while full-size packets do not pass.
    """

    degraded_when_any: tuple[Limit, ...] = ()
    healthy_when_all: tuple[Limit, ...] = ()
    full_size: bool = False


@dataclass(frozen=True, slots=True)
class Damping:
    """A Damping holds back a tunnel that comes and goes.

    Each time that it becomes bad or dies counts one; the sum halves every `half_life`. At `suppress` it is no longer
    returned to until the sum is below `reuse`, but never longer than `max_suppress`.
    """

    half_life: timedelta
    suppress: float
    reuse: float
    max_suppress: timedelta


@dataclass(frozen=True, slots=True)
class Samples:
    """A Samples is what probes over a tunnel told between two instants.

    Of `sent` probes whose fate is known `lost` were not answered in time; `round_trips` are those of the answered ones,
    in seconds. `burst`: they were sent to confirm a suspicion; `ends_burst`: nothing more will be known of that burst
    but late answers, even if less came than was asked for.

    `lost` is negative where probes that were told as lost before were answered after all: then `sent` is 0, and
    `round_trips` has one for each.
    """

    begins: Instant
    ends: Instant
    sent: int
    lost: int
    round_trips: tuple[float, ...] = ()
    burst: bool = False
    ends_burst: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """A Figures is what was measured over a window: loss as a share, the others in seconds. None: not known."""

    loss: float | None = None
    rtt: float | None = None
    jitter: float | None = None


NO_FIGURES = Figures()


@dataclass(frozen=True, slots=True)
class Hint:
    """A Hint is something that may explain a tunnel's state, and since when it is so. It decides nothing."""

    text: str
    since: Instant


@dataclass(frozen=True, slots=True)
class HealthView:
    """A HealthView is what is believed of a tunnel's health, and why.

    `figures` are of the last ten seconds, `usual_rtt` in seconds what is usual on this tunnel (None until there are ten
    minutes of it). `penalty` is the sum of damping at `penalty_at`; the tunnel is not returned to before
    `suppressed_until`. `failing` are targets, checks and sizes of packets that fail now, each in words.
    """

    state: HealthState = HealthState.UNKNOWN
    since: Instant = NEVER
    reason: str = "not measured yet"
    figures: Figures = NO_FIGURES
    usual_rtt: float | None = None
    penalty: float = 0.0
    penalty_at: Instant = NEVER
    suppressed_until: Instant = NEVER
    failing: tuple[str, ...] = field(default=())
    recovered: Instant = NEVER
    """When it last ceased to be degraded: the hold counts from there."""
    next_at: Instant | None = None
    """When time alone could change it next, None: only new samples can."""
    hints: tuple[Hint, ...] = ()
    """What is known besides that may explain it: of WireGuard's handshakes, of the BGP session."""


NOT_MEASURED = HealthView()
