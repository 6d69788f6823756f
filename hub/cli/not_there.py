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
    return str(branch.get("router_print") or f"pointsman router print {branch['branch']}")


def awaits_router(branch: Report) -> bool:
    """Whether the branch is new, and there is something at the hub that its router could connect to."""
    return is_new(branch) and any(end_missing(tunnel) is None for tunnel in branch["tunnels"])


def end_missing(tunnel: Report) -> tuple[str, str] | None:
    """Why nothing can connect to the hub's end of a tunnel that is not up, and the mend; None where something can."""
    fault = tunnel.get("interface_fault")
    if (hindered := hindrance(tunnel)) is not None or fault is None or tunnel["liveness"] == "up":
        return hindered
    return fault["text"], fault["mend"]


def hindrance(tunnel: Report) -> tuple[str, str] | None:
    """Why the hub's end of a tunnel could not be made, and the mend; None where nothing hinders it, or it is up."""
    hindered = (tunnel.get("made") or {}).get("hindered")
    if hindered is None or tunnel["liveness"] == "up":
        return None
    mend = hindered["mend"]
    if "apply" not in mend:
        mend = f"{mend}; then pointsman apply" if mend else "pointsman apply"
    return f"not made: {hindered['text']}", mend
