"""ike: what strongSwan says of a tunnel's SA, as a hint. It names the cause of a death, and moves nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.model.clock import NEVER, Instant
from policies.model.health import Hint

SETTLING = 3.0
"""Seconds in which a tunnel without an SA may be about to get one."""


@dataclass(frozen=True, slots=True)
class SaFacts:
    """An SaFacts is whether a tunnel has an IKE SA and a child SA, and why the last attempt failed.

    `since` is when the SA was made, or went, None where that is not known; `failure` is a reason in words.
    """

    up: bool
    child: bool
    since: Instant | None = None
    failure: str | None = None
    failed_at: Instant | None = None


def sa_facts(told: Mapping[str, Any], wall: float, now: Instant) -> SaFacts:
    """The facts in what the provisioner reports under `ipsec`; `wall` is the Unix time of the instant `now`."""
    failure, child = told.get("failure") or {}, told.get("child")
    return SaFacts(
        up=told.get("state") == "established",
        child=bool(child),
        since=_instant(told.get("since"), wall, now),
        failure=failure.get("reason"),
        failed_at=_instant(failure.get("at"), wall, now),
    )


def _instant(at: Any, wall: float, now: Instant) -> Instant | None:
    return Instant(max(NEVER, now - (wall - at))) if isinstance(at, int | float) else None


def sa_hint(facts: SaFacts, now: Instant) -> Hint | None:
    """Why a tunnel without an SA is dead; None where it has both SAs, or where one may be about to come.

    A failure that is older than the SA explains nothing of it.
    """
    newer = facts.failed_at is not None and (not facts.up or facts.since is None or facts.failed_at >= facts.since)
    if facts.up and facts.child:
        return None
    if facts.failure is not None and facts.failed_at is not None and newer:
        return Hint(f"IKE: {facts.failure}", facts.failed_at)
    if facts.up and facts.since is not None and now - facts.since > SETTLING:
        return Hint("IKE: no child SA", facts.since)
    return None if facts.up else Hint("IKE: no SA, and nothing is heard of the branch", facts.since or now)
