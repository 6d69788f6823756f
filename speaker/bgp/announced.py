"""What an UPDATE of ours says, in the words of the core. Pure."""

from __future__ import annotations

from policies.model.announcement import HIGHEST_MED, Announcement
from policies.model.ids import Prefix
from speaker.bgp.events import Route, Updated


def announced(update: Updated) -> dict[Prefix, Announcement]:
    """What an UPDATE of ours announces, steered by MED: an iBGP session steers by the local preference that it carries.

    Without either it is 0, as it is at the branch (RFC 4271 section 9.1.2.2).
    """
    return {
        route.prefix: Announcement.marked(_med(route), route.communities, route.large_communities)
        for route in update.announced
    }


def _med(route: Route) -> int:
    if route.local_preference is not None:
        return HIGHEST_MED - route.local_preference
    return route.med or 0
