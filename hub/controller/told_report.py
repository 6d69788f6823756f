"""What a branch was told over a tunnel, and what is ahead of it, as plain data for `why`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.controller.moments import at_second
from policies.ahead import Coming
from policies.model.clock import Now
from policies.model.view import SessionState, SessionView

Report = dict[str, Any]


def told_report(session: SessionView) -> list[Report]:
    """Each prefix with its value and its marks, as it was last seen sent; nothing where the session is not up."""
    if session.state is not SessionState.UP:
        return []
    return [
        {
            "prefix": str(prefix),
            "med": said.med,
            "communities": [":".join(map(str, community)) for community in said.communities],
            "large_communities": [":".join(map(str, community)) for community in said.large_communities],
        }
        for prefix, said in session.sent.items()
    ]


def outlook_report(coming: Iterable[Coming], now: Now) -> list[Report]:
    """What would change something, what a clock brings first; `at` null: no clock does."""
    return [{"what": one.what, "at": at_second(one.at, now) if one.at is not None else None} for one in coming]
