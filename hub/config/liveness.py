"""Liveness as written to timers, with the defaults of metered tunnels."""

from __future__ import annotations

from datetime import timedelta

from hub.config.document import Document, Path
from hub.config.problems import Problem, error
from hub.config.raw import RawLiveness, RawTimers
from hub.profiles import PROFILES
from policies.model.intent import Liveness, LivenessMethod, LivenessTimers

SHORTEST, LONGEST = timedelta(milliseconds=10), timedelta(seconds=1)
MULTIPLIERS = range(3, 11)
"""One lost packet must never look like a death, nor two."""


def resolve_liveness(
    written: str | RawLiveness | None, document: Document, path: Path, *, metered: bool
) -> tuple[Liveness, list[Problem]]:
    """The timers of a tunnel whose liveness is written at `path`; what is not written follows from `metered`."""
    if isinstance(written, str):
        timers = _timers(LivenessMethod.BFD, written)
        return Liveness(timers, timers), []
    raw = written or RawLiveness()
    problems = _shape(raw, document, path)
    method = _method(raw, document, path, problems)
    active, idle = _active_and_idle(raw, method, document, path, problems, metered=metered)
    if raw.echo and method is LivenessMethod.ICMP:
        problems.append(
            error(
                document.place(*path, "echo"),
                "echo stands beside BFD",
                "leave it out: with method: icmp every packet is an echo",
            )
        )
    return Liveness(active, idle, confirm=raw.confirm is not False, echo=raw.echo is True), problems


def _active_and_idle(
    raw: RawLiveness, method: LivenessMethod, document: Document, path: Path, problems: list[Problem], *, metered: bool
) -> tuple[LivenessTimers, LivenessTimers]:
    if raw.interval or raw.multiplier:
        timers = _written(raw, method, "normal", document, path, problems)
        return timers, timers
    active = _written(raw.active or raw, method, "normal", document, (*path, "active"), problems)
    if raw.idle is None and raw.active is not None and not metered:
        return active, active
    idle = "relaxed" if metered else "normal"
    return active, _written(raw.idle or raw, method, idle, document, (*path, "idle"), problems)


def _timers(method: LivenessMethod, profile: str) -> LivenessTimers:
    interval, multiplier = PROFILES[profile]
    return LivenessTimers(method, interval, multiplier)


def _written(
    raw: str | RawTimers, method: LivenessMethod, default: str, document: Document, path: Path, problems: list[Problem]
) -> LivenessTimers:
    if isinstance(raw, str):
        return _timers(method, raw)
    interval, multiplier = PROFILES[default]
    if raw.interval is not None:
        interval = raw.interval
        if not SHORTEST <= interval <= LONGEST:
            problems.append(error(document.place(*path, "interval"), "interval: from 10ms to 1s"))
    if raw.multiplier is not None:
        multiplier = raw.multiplier
        if multiplier not in MULTIPLIERS:
            problems.append(error(document.place(*path, "multiplier"), "multiplier: from 3 to 10"))
    return LivenessTimers(method, interval, multiplier)


def _shape(raw: RawLiveness, document: Document, path: Path) -> list[Problem]:
    if (raw.active or raw.idle) and (raw.interval or raw.multiplier):
        text = "liveness has timers of its own and active or idle ones"
        return [error(document.place(*path), text, "write the timers inside active and idle")]
    return []


def _method(raw: RawLiveness, document: Document, path: Path, problems: list[Problem]) -> LivenessMethod:
    inner = {timers.method for timers in (raw.active, raw.idle) if isinstance(timers, RawTimers) and timers.method}
    methods = inner | ({raw.method} if raw.method else set())
    if len(methods) > 1:
        text = "a tunnel has one method of liveness, bfd or icmp, active and idle"
        problems.append(error(document.place(*path), text, "write method once, beside active and idle"))
    return LivenessMethod(min(methods)) if methods else LivenessMethod.BFD
