"""What the overrides mean now, worked out anew only when somebody said something or time changed it.

While it is not known what was said, nothing moves but away from what is dead: any tunnel may be one that is worked on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from policies.model.ids import TunnelId
from policies.model.intent import Intent
from policies.model.overrides import NO_OVERRIDES, InForce, Overrides
from policies.overrides.schedule import in_force_at, next_change


class Meaning:
    """A Meaning remembers what overrides mean: of thousands of tunnels that is not worked out every second."""

    def __init__(self) -> None:
        self._of: tuple[Overrides | None, Intent] | None = None
        self._since: datetime | None = None
        self._change: datetime | None = None
        self.in_force: Mapping[str, InForce] = {}
        self.drained: frozenset[TunnelId] = frozenset()

    def look(self, overrides: Overrides | None, intent: Intent, wall: datetime) -> bool:
        """Look again; whether they mean something else than before, or the same for another configuration.

        None: what was said before is not known.
        """
        if not self._is_old(overrides, intent, wall):
            return False
        before, as_before = self.in_force, self._of is not None and self._of[1] is intent
        self._of, self._since = (overrides, intent), wall
        self._change = next_change(overrides, intent, wall) if overrides is not None else None
        self.in_force = _means(overrides, intent, wall)
        self.drained = frozenset(tunnel for means in self.in_force.values() for tunnel in means.drained)
        return self.in_force != before or not as_before

    def seconds_until_change(self, wall: datetime) -> float | None:
        """How long until time alone changes it; None: it does not."""
        return (self._change - wall.astimezone(UTC)).total_seconds() if self._change is not None else None

    def _is_old(self, overrides: Overrides | None, intent: Intent, wall: datetime) -> bool:
        if self._of is None or self._since is None or self._of[0] is not overrides or self._of[1] is not intent:
            return True
        # A clock that was put back makes what was over hold again.
        return wall < self._since or (self._change is not None and wall >= self._change)


def _means(overrides: Overrides | None, intent: Intent, wall: datetime) -> Mapping[str, InForce]:
    if overrides is None:
        return dict.fromkeys(intent.branches, InForce(frozen=True))
    return in_force_at(overrides, intent, wall) if overrides != NO_OVERRIDES else {}
