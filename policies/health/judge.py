"""judge: what the samples of a tunnel say about its health.

A tunnel becomes degraded when the figure of a limit's window is too much and a burst of probes says the same; for loss
also only when at least three probes were lost, and the sequential test rules out chance. It is healthy again when the
windows of return, all of them since then, are within their limits. Silence makes no degraded tunnel healthy, and a
fine one unknown. Targets behind the branch and checks that fail degrade it as well, without more ado, and full-size
packets that do not pass, where the limits say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.health.damping import NO_PENALTY, Penalty, counted
from policies.health.limits import Reading, agrees, confirmation, horizon, kept, passed
from policies.health.memory import DIED, Degraded, HealthMemory, Judged
from policies.health.sequential import ASK, BOUND, LIKELY, loss_test
from policies.health.suspicion import (
    FEW,
    FIRST,
    NEXT,
    PAUSE,
    SHORT_PAUSE,
    UNUSED,
    Allowance,
    Suspicion,
    Wish,
    asked_again,
)
from policies.health.usual import Usual, learnt
from policies.health.window import GRAIN, LEAST, PATIENCE, Count, Window, figures, part_after
from policies.model.clock import NEVER, Instant
from policies.model.health import NO_FIGURES, Damping, Figures, HealthLimits, HealthState, HealthView, Metric

WITHIN = "within its limits"
MUTE = "the branch has answered no probe yet"
FEW_PROBES = f"fewer than {LEAST} probes in {PATIENCE:g} s"
SHOWN, SHOWN_EVERY = 10.0, 1.0
"""Seconds of which the figures are shown, and after which they are reckoned anew."""
_LEARN_EVERY = 10.0
_LEARN_MOST = 60.0
_EVIDENCE = 5.0


@dataclass(frozen=True, slots=True)
class _Opinion:
    """What the figures alone say, and what is remembered of it."""

    state: HealthState
    reason: str
    degraded: Degraded | None = None
    suspicion: Suspicion | None = None


def judge(
    memory: HealthMemory,
    limits: HealthLimits,
    damping: Damping | None,
    failing: tuple[str, ...],
    now: Instant,
) -> tuple[HealthMemory, Wish | None]:
    """What is believed of the tunnel now, in `view`, and the burst that is wanted, None for none.

    `failing` are the targets behind the branch and the checks that fail, each in words. Judged twice at one moment, it
    says the same.
    """
    if memory.judged is not None and memory.judged.still_holds(limits, damping, failing, memory.view, now):
        return memory, memory.judged.wish
    kept_samples = memory.window.recent(now, horizon(limits))
    window = kept_samples.settled()
    opinion = _opinion(memory, limits, kept_samples, window, now)
    state = HealthState.DEGRADED if failing else opinion.state
    penalty = memory.penalty if damping is not None else NO_PENALTY
    if state is HealthState.DEGRADED and memory.view.state is not HealthState.DEGRADED:
        penalty = counted(penalty, damping, now)
    usual, learnt_at = _learnt(memory, state, window)
    shown, shown_at = _shown(memory, opinion, window)
    wish = _standing_wish(opinion, window, now)
    judged = HealthMemory(
        window=kept_samples,
        usual=usual,
        learnt_at=learnt_at,
        degraded=opinion.degraded,
        cleared=now if memory.degraded is not None and opinion.degraded is None else memory.cleared,
        suspicion=opinion.suspicion,
        allowance=_paid(memory, opinion.suspicion, now),
        penalty=penalty,
        alive_since=memory.alive_since,
        is_dead=memory.is_dead,
        answered=memory.answered,
        shown_at=shown_at,
        view=HealthView(
            state=state,
            since=memory.view.since if state is memory.view.state else now,
            reason=_reason(opinion, failing),
            figures=shown,
            usual_rtt=usual.rtt,
            penalty=penalty.value,
            penalty_at=penalty.at,
            suppressed_until=penalty.suppressed_until,
            failing=failing,
            recovered=_recovered(memory.view, state, now),
            next_at=_next_at(opinion, window, penalty, now),
        ),
        judged=Judged(limits, damping, failing, now, wish),
    )
    return judged, wish


def _opinion(memory: HealthMemory, limits: HealthLimits, told: Window, window: Window, now: Instant) -> _Opinion:
    if memory.degraded is not None:
        return _while_degraded(memory.degraded, memory, limits, window)
    if memory.is_dead:
        return _Opinion(HealthState.UNKNOWN, DIED)
    if not memory.answered:
        return _Opinion(HealthState.UNKNOWN, MUTE)
    if _falls_silent(window) <= now:
        before = memory.view.reason
        return _Opinion(HealthState.UNKNOWN, DIED if before == DIED and not window.entries else FEW_PROBES)
    return _while_fine(memory, limits, told, window, now)


def _while_degraded(degraded: Degraded, memory: HealthMemory, limits: HealthLimits, window: Window) -> _Opinion:
    readings = kept(limits, window, memory.usual, max(degraded.since, memory.alive_since))
    if memory.is_dead or readings is None or not memory.answered:
        return _Opinion(HealthState.DEGRADED, degraded.because, degraded)
    return _Opinion(HealthState.UP, WITHIN)


def _while_fine(memory: HealthMemory, limits: HealthLimits, told: Window, window: Window, now: Instant) -> _Opinion:
    test = loss_test(limits.degraded_when_any)
    # What it was degraded for, and has ceased to do, is no new suspicion.
    score = test.score(window.since(memory.cleared)) if test is not None else 0.0
    over = passed(limits.degraded_when_any, window, memory.usual)
    if not over and score <= 0:
        return _Opinion(HealthState.UP, WITHIN)
    suspicion = memory.suspicion or Suspicion(now)
    for reading in over:
        burst = told.credible_bursts(max(suspicion.since, window.end - max(_EVIDENCE, _over(reading))))
        if agrees(reading, burst) and (reading.limit.metric is not Metric.LOSS or score >= BOUND):
            because = f"{reading}; {confirmation(reading, burst)}"
            return _Opinion(HealthState.DEGRADED, because, Degraded(now, because))
    suspicion = _suspected(suspicion, memory, over, score, window, now)
    return _Opinion(HealthState.UP, WITHIN, suspicion=suspicion)


def _suspected(
    suspicion: Suspicion, memory: HealthMemory, over: list[Reading], score: float, window: Window, now: Instant
) -> Suspicion:
    """The suspicion, with another burst where that could tell more."""
    wish = suspicion.wish
    if suspicion.waits(window, now):
        return suspicion
    came = window.bursts(wish.asked).count() if wish is not None else Count()
    left = int(memory.allowance.at_instant(now).left)
    if LIKELY <= score < BOUND:
        left = max(left, NEXT)
    if score >= ASK and left >= FEW:
        burst = min(NEXT if came.lost else FIRST, left)
        return asked_again(suspicion, burst, "a probe was lost", came.sent, now)
    pause = SHORT_PAUSE if score >= BOUND else PAUSE
    if over and (wish is None or now >= wish.asked + pause):
        burst = FIRST if any(reading.limit.metric is Metric.LOSS for reading in over) else FEW
        return asked_again(suspicion, burst, str(over[0]), came.sent, now)
    return suspicion


def _standing_wish(opinion: _Opinion, window: Window, now: Instant) -> Wish | None:
    """The burst that is still waited for."""
    suspicion = opinion.suspicion
    if suspicion is None or suspicion.wish is None:
        return None
    return suspicion.wish if suspicion.waits(window, now) else None


def _paid(memory: HealthMemory, suspicion: Suspicion | None, now: Instant) -> Allowance:
    """The allowance less the burst that was asked for just now. A verdict gives back what it took to find."""
    if memory.degraded is not None:
        return UNUSED
    if suspicion is None or suspicion.wish is None or suspicion.wish.asked != now or suspicion is memory.suspicion:
        return memory.allowance
    allowance = memory.allowance.at_instant(now)
    return replace(allowance, left=max(allowance.left - suspicion.wish.burst, 0.0))


def _recovered(before: HealthView, state: HealthState, now: Instant) -> Instant:
    ceased = before.state is HealthState.DEGRADED and state is not HealthState.DEGRADED
    return now if ceased else before.recovered


def _learnt(memory: HealthMemory, state: HealthState, window: Window) -> tuple[Usual, Instant]:
    """What is usual, learnt every so often while the tunnel is up."""
    end = window.end
    if state is not HealthState.UP or memory.view.state is not HealthState.UP:
        return memory.usual, max(end, memory.learnt_at)
    if end - memory.learnt_at < _LEARN_EVERY:
        return memory.usual, memory.learnt_at
    fresh = window.since(memory.learnt_at)
    rtt = fresh.round_trip(memory.learnt_at)
    if rtt is None:
        return memory.usual, end
    long = sum(
        (entry.ends - entry.begins) * part_after(entry, memory.learnt_at)
        for entry in fresh.odd
        if entry.ends - entry.begins > GRAIN
    )
    return learnt(memory.usual, rtt, min(end - memory.learnt_at, _LEARN_MOST + long)), end


def _shown(memory: HealthMemory, opinion: _Opinion, window: Window) -> tuple[Figures, Instant]:
    """The figures of the last seconds, and of when they are; once a second is enough, for they take the longest."""
    if opinion.state is HealthState.UNKNOWN:
        return NO_FIGURES, NEVER
    if opinion.state is memory.view.state and abs(window.end - memory.shown_at) < SHOWN_EVERY:
        return memory.view.figures, memory.shown_at
    return figures(window, SHOWN), window.end


def _reason(opinion: _Opinion, failing: tuple[str, ...]) -> str:
    if not failing:
        return opinion.reason
    return "; ".join((opinion.reason, *failing) if opinion.degraded is not None else failing)


def _next_at(opinion: _Opinion, window: Window, penalty: Penalty, now: Instant) -> Instant | None:
    moments: list[float] = [penalty.suppressed_until]
    if opinion.suspicion is not None:
        wish = opinion.suspicion.wish
        moments += [opinion.suspicion.deadline, *([wish.asked + PAUSE] if wish is not None else [])]
    if opinion.state is HealthState.UP:
        moments.append(_falls_silent(window))
    ahead = [moment for moment in moments if moment > now]
    return Instant(min(ahead)) if ahead else None


def _falls_silent(window: Window) -> float:
    """When too few probes will be recent, if no more come."""
    left = LEAST
    for entry in reversed(window.entries):
        left -= entry.sent
        if left <= 0:
            return entry.ends + PATIENCE
    return 0.0


def _over(reading: Reading) -> float:
    return reading.limit.over.total_seconds()
