"""Words for what is not there yet: a tunnel that could not be made, a branch whose router has never connected. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]

NEVER_CONNECTED = "its router has never connected"


def is_new(branch: Report) -> bool:
    """Whether no tunnel of the branch was ever up: it is not cut off, its router is yet to be set up."""
    return not branch.get("connected", True)


def router_mend(branch: Report) -> str:
    """What helps a branch whose router has never connected."""
    return f"pointsman router print {branch['branch']}"


def hindrance(tunnel: Report) -> tuple[str, str] | None:
    """Why the hub's end of a tunnel could not be made, and the mend; None where nothing hinders it, or it is up."""
    hindered = (tunnel.get("made") or {}).get("hindered")
    if hindered is None or tunnel["liveness"] == "up":
        return None
    mend = hindered["mend"]
    if "apply" not in mend:
        mend = f"{mend}; then pointsman apply" if mend else "pointsman apply"
    return f"not made: {hindered['text']}", mend
