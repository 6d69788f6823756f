"""What follows from a fault of the whole machine stands under it, and not before it. Pure.

Where another network of Pointsman is there, no tunnel is made: the branches that miss them are not told one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Report = Mapping[str, Any]
_NAMED = 3


def own_troubles(branch: Report) -> list[Report]:
    """The branch's tunnels of which there is something to tell by itself."""
    return [tunnel for tunnel in branch["tunnels"] if _follows(tunnel) is None]


def consequences_of(problem: Report, branches: Iterable[Report]) -> str:
    """What follows from this fault, in words; "" where nothing does."""
    hit = {b["branch"]: b for b in branches if any(_follows(t) == problem["key"] for t in b["tunnels"])}
    if not hit:
        return ""
    tunnels = sum(_follows(tunnel) == problem["key"] for branch in hit.values() for tunnel in branch["tunnels"])
    cut_off = [name for name, branch in hit.items() if not branch["reachable"]]
    said = f"so {_count(tunnels, 'tunnel')} of {_count(len(hit), 'branch', 'es')} {_are(tunnels)} not there"
    return said + (f", and {_named(cut_off)} cannot be reached" if cut_off else "")


def _follows(tunnel: Report) -> str | None:
    """The key of the fault by which its interface is not there; one that is up all the same is told by itself."""
    fault = tunnel.get("interface_fault")
    return fault.get("follows") if fault is not None and tunnel["liveness"] != "up" else None


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _count(number: int, what: str, many: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else many}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
