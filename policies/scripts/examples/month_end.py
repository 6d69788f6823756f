"""Metered lines whose data is counted by the calendar month.

In the last days of a month they are kept for outages: a degraded line carries on instead. What is left of the data in
the last hours would be lost at midnight, so there they may be used as if they cost nothing.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta

from policies.scripts import Adjustment, BranchSituation, Metered, NetworkSituation

KEPT_DAYS = 5
"""How many days before the end of a month the metered lines are kept back."""
USED_UP_HOURS = 6
"""How many hours before its end they may be used up."""


def adjust(branch: BranchSituation, _network: NetworkSituation) -> Adjustment | None:
    """Keep metered tunnels back at the end of a month, and let them be used in its last hours."""
    if not any(tunnel.metered for tunnel in branch.tunnels):
        return None
    left = month_ends(branch.wall) - branch.wall
    if left <= timedelta(hours=USED_UP_HOURS):
        return Adjustment(metered=Metered.ALLOWED, reason=f"the last {USED_UP_HOURS} hours of the month")
    if left <= timedelta(days=KEPT_DAYS):
        return Adjustment(metered=Metered.LAST_RESORT, reason=f"the last {KEPT_DAYS} days of the month")
    return None


def month_ends(wall: datetime) -> datetime:
    """Midnight after the last day of the month, by the same clock."""
    _, days = monthrange(wall.year, wall.month)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days - wall.day + 1)
