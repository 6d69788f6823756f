"""memory: all that is remembered of one tunnel's health. A value: nothing here changes, a new one is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.health.damping import NO_PENALTY, Penalty, counted
from policies.health.suspicion import UNUSED, Allowance, Suspicion, Wish
from policies.health.usual import NO_USUAL, Usual
from policies.health.window import NO_SAMPLES, Window, makes_sense
from policies.model.clock import NEVER, Instant
from policies.model.health import NOT_MEASURED, Damping, HealthLimits, HealthState, HealthView, Samples

DIED = "not measured since it died"
SETTLING = 5.0
"""Seconds after a tunnel came up in which it is not measured: its first packets wait for handshakes, and where a whole
hub starts, for a processor."""
SILENT = 10
"""Probes in a row, all lost, from which on a degraded tunnel that dies was dying when it became degraded."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A Degraded is since when a tunnel's own figures have been bad, and by which."""

    since: Instant
    because: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A Judged is by what, and when, a tunnel was judged since the last samples, and what was wished for."""

    limits: HealthLimits
    damping: Damping | None
    failing: tuple[str, ...]
    at: Instant
    wish: Wish | None

    def still_holds(
        self, limits: HealthLimits, damping: Damping | None, failing: tuple[str, ...], view: HealthView, now: Instant
    ) -> bool:
        """Whether it need not be looked at again: nothing is new, and time alone changes nothing yet."""
        same = limits is self.limits or limits == self.limits
        asked = same and damping == self.damping and failing == self.failing
        return asked and self.at <= now and (view.next_at is None or now < view.next_at)


@dataclass(frozen=True, slots=True)
class HealthMemory:
    """A HealthMemory is what is remembered of one tunnel's health; `view` is what was believed when it was last judged.

    `window` has the samples since `alive_since`; `answered` says whether a probe was ever answered. `usual` was learnt
    from all samples before `learnt_at`; the figures of `view` are those of `shown_at`. `is_dead`: liveness says so, and
    what is sampled meanwhile is not looked at. `cleared` is when its own figures last ceased to degrade it.
    """

    window: Window = NO_SAMPLES
    usual: Usual = NO_USUAL
    learnt_at: Instant = NEVER
    degraded: Degraded | None = None
    cleared: Instant = NEVER
    suspicion: Suspicion | None = None
    allowance: Allowance = UNUSED
    penalty: Penalty = NO_PENALTY
    alive_since: Instant = NEVER
    is_dead: bool = False
    answered: bool = False
    shown_at: Instant = NEVER
    view: HealthView = NOT_MEASURED
    judged: Judged | None = None


NOTHING_REMEMBERED = HealthMemory()


def remember(memory: HealthMemory, samples: Samples) -> HealthMemory:
    """With these samples too. In which order they come makes no difference.

    Losses are taken back by a Samples with `sent` 0, a negative `lost`, the round trips of the answers that came after
    all, and a time from `begins` to `ends` in which the probes were sent. Samples that cannot be are ignored, and so
    are those that began before the tunnel came up.
    """
    if memory.is_dead or samples.begins < memory.alive_since or not makes_sense(samples):
        return memory
    answered = memory.answered or samples.sent > samples.lost
    return replace(memory, window=memory.window.added(samples), answered=answered, judged=None)


def died(memory: HealthMemory, damping: Damping | None, at: Instant) -> HealthMemory:
    """After liveness said that the tunnel is dead. It counts for damping; a tunnel that was degraded stays so.

    Where liveness is slow, probes tell of a death before it does. Then the tunnel was degraded by dying: that is one
    event, counted once, and what ends it is that the tunnel lives.
    """
    if memory.is_dead:
        return memory
    was_dying = memory.degraded is not None and _silent_since(memory.window, memory.degraded.since)
    penalty = memory.penalty if was_dying else counted(memory.penalty, damping, at)
    view = memory.view
    if was_dying or view.state is HealthState.UP:
        recovered = at if view.state is HealthState.DEGRADED else view.recovered
        view = replace(view, state=HealthState.UNKNOWN, since=at, reason=DIED, recovered=recovered)
    view = replace(
        view,
        penalty=penalty.value,
        penalty_at=penalty.at,
        suppressed_until=penalty.suppressed_until,
        next_at=penalty.suppressed_until if penalty.suppressed(at) else None,
    )
    degraded = None if was_dying else memory.degraded
    return replace(
        memory,
        window=NO_SAMPLES,
        suspicion=None,
        degraded=degraded,
        penalty=penalty,
        is_dead=True,
        view=view,
        judged=None,
    )


def revived(memory: HealthMemory, at: Instant) -> HealthMemory:
    """After liveness said that the tunnel answers again: it is measured anew, and what began before does not count."""
    if not memory.is_dead:
        return memory
    return replace(memory, is_dead=False, window=NO_SAMPLES, alive_since=at, learnt_at=at, judged=None)


def begun(memory: HealthMemory, at: Instant) -> HealthMemory:
    """After liveness first said that the tunnel is up: what was sampled before this instant does not count."""
    return replace(memory, alive_since=at, judged=None) if memory.alive_since == NEVER else memory


def recalled(
    memory: HealthMemory, degraded: Degraded | None, penalty: Penalty, recovered: Instant, *, is_dead: bool
) -> HealthMemory:
    """With what was so before a restart. A tunnel that was bad then did not become so by the restart."""
    view = replace(
        memory.view,
        penalty=penalty.value,
        penalty_at=penalty.at,
        suppressed_until=penalty.suppressed_until,
        recovered=recovered,
    )
    if degraded is not None:
        view = replace(view, state=HealthState.DEGRADED, since=degraded.since, reason=degraded.because)
    return replace(memory, degraded=degraded, penalty=penalty, is_dead=is_dead, view=view, judged=None)


def _silent_since(window: Window, moment: Instant) -> bool:
    """Whether nothing that was sent from this moment on was answered, and before it enough was lost in a row."""
    lost = 0
    for entry in reversed(window.settled().entries):
        if entry.sent > entry.lost:
            return lost >= SILENT and entry.begins < moment
        lost += entry.sent
    return lost >= SILENT


def with_usual(memory: HealthMemory, usual: Usual) -> HealthMemory:
    """With what is usual on the tunnel: as stored before a restart, or `NO_USUAL` to accept a new path."""
    return replace(memory, usual=usual, view=replace(memory.view, usual_rtt=usual.rtt), judged=None)
