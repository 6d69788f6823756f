"""Whether the lab's hub has everything up, by its own report; and if not, what is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from hub.control.client import NotRunningError, RefusedError, ask_controller
from hub.lab.names import LabPlace

LOOK_SECONDS = 0.1

Report = Mapping[str, Any]


def hub_report(place: LabPlace) -> Report | None:
    """What the hub says of itself; None while it does not answer."""
    try:
        return ask_controller(place.run / "control.sock", {"ask": "status"})
    except (NotRunningError, RefusedError):
        return None


def missing(report: Report | None) -> list[str]:
    """What keeps the network from being all well: every tunnel and session up, every branch preferred, both ways."""
    if report is None:
        return ["the hub does not answer"]
    return [lack for branch in report["branches"] for lack in _missing(branch)]


def wait_until_well(place: LabPlace, patience: float) -> list[str]:
    """Come back when all is well, or after so many seconds with what is missing."""
    deadline = time.monotonic() + patience
    while (lacking := missing(hub_report(place))) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return lacking


def _missing(branch: Report) -> Iterator[str]:
    name = branch["branch"]
    for tunnel in branch["tunnels"]:
        if tunnel["liveness"] != "up":
            yield f"{name}/{tunnel['tunnel']} is {tunnel['liveness']} ({tunnel['reason']})"
        elif tunnel["session"] != "up":
            yield f"{name}/{tunnel['tunnel']} has no BGP session"
        elif tunnel["med"] is None:
            yield f"{name}/{tunnel['tunnel']} was told nothing yet"
    if branch["on"] != branch["preferred"]:
        yield f"{name} is on {branch['on'] or 'no tunnel'}: {branch['reason']}"
    elif branch["uses"] is None or branch["uses"]["tunnel"] != branch["on"]:
        yield f"{name} is not seen to use {branch['on']}"
