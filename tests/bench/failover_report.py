"""What was measured, as a table for people and as JSON with every single cut."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from failover_cuts import CutResult, Way
from failover_figures import Estimate, difference_of_medians, figures

YARDSTICK = "bird"
WAYS: Mapping[str, Callable[[CutResult], Way]] = {
    "hub to branch": lambda cut: cut.to_branch,
    "branch to hub": lambda cut: cut.to_hub,
}


@dataclass(frozen=True, slots=True)
class Quiet:
    """A Quiet is what a hub sends and receives a second when nothing happens, by kind and way (`bfd sent`)."""

    packets_a_second: Mapping[str, float]


def table(cuts: Sequence[CutResult], quiet: Mapping[str, Quiet], seed: int) -> Iterator[str]:
    """The lines of the table."""
    by_hub = _by_hub(cuts)
    for name, way in WAYS.items():
        yield ""
        yield f"{name}, ms"
        yield f"  {'hub':<16}{'n':>4}{'median [95 %]':>25}{'p95':>8}{'max':>8}{'lost':>8}{'beside BIRD [95 %]':>29}"
        for hub, its in by_hub.items():
            yield _outage_line(hub, [way(cut) for cut in its], _yardstick(by_hub, way), seed)
    yield ""
    yield f"  {'hub':<16}{'reaction, ms: median, max':>28}{'failback lost':>22}{'packets/s sent, received':>32}"
    for hub, its in by_hub.items():
        yield f"  {hub:<16}{_reaction(its):>28}{_failback(its):>22}{_packets(quiet.get(hub)):>32}"


def _outage_line(hub: str, ways: Sequence[Way], yardstick: Sequence[float], seed: int) -> str:
    values = [way.longest_ms for way in ways]
    short = figures(values, seed)
    difference = difference_of_medians(values, yardstick, seed) if yardstick and hub != YARDSTICK else None
    never = sum(not way.ended for way in ways)
    more = sum(len(way.outages_ms) > 1 for way in ways)
    return (
        f"  {hub:<16}{short.n:>4}{_estimate(short.median):>25}{short.p95:>8.0f}{short.highest:>8.0f}"
        f"{sum(way.lost for way in ways):>8}{'' if difference is None else _estimate(difference, '+'):>29}"
        + (f"  {never} never ended" if never else "")
        + (f"  {more} with more than one outage" if more else "")
    )


def _estimate(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.value:{sign}.0f} [{estimate.low:{sign}.0f}, {estimate.high:{sign}.0f}]"


def _reaction(cuts: Sequence[CutResult]) -> str:
    seen = [cut.reaction_ms for cut in cuts if cut.reaction_ms is not None]
    missing = f" ({len(cuts) - len(seen)} not seen)" if len(seen) < len(cuts) else ""
    return (f"{statistics.median(seen):.2f}, {max(seen):.2f}" if seen else "") + missing


def _failback(cuts: Sequence[CutResult]) -> str:
    ways = [way for cut in cuts for way in (cut.failback_to_branch, cut.failback_to_hub)]
    return f"{sum(way.lost for way in ways)} of {sum(way.sent for way in ways):,}"


def _packets(quiet: Quiet | None) -> str:
    if quiet is None:
        return ""
    rates = quiet.packets_a_second
    kinds = [kind for kind in ("bfd", "icmp") if rates[f"{kind} sent"] or rates[f"{kind} received"]]
    return "; ".join(f"{kind} {rates[f'{kind} sent']:.1f}, {rates[f'{kind} received']:.1f}" for kind in kinds)


def _yardstick(by_hub: Mapping[str, Sequence[CutResult]], way: Callable[[CutResult], Way]) -> list[float]:
    return [way(cut).longest_ms for cut in by_hub.get(YARDSTICK, ())]


def _by_hub(cuts: Sequence[CutResult]) -> dict[str, list[CutResult]]:
    found: dict[str, list[CutResult]] = {}
    for cut in cuts:
        found.setdefault(cut.hub, []).append(cut)
    return found


def as_json(
    options: Mapping[str, Any], cuts: Sequence[CutResult], quiet: Mapping[str, Quiet], idle_use: float, seed: int
) -> dict[str, Any]:
    """Everything: how it was run and where, the figures of each hub and direction, and every single cut."""
    by_hub = _by_hub(cuts)
    return {
        "options": dict(options),
        "machine": {"kernel": platform.release(), "processors": os.cpu_count(), "idle_use": idle_use},
        "hubs": {
            hub: {
                "directions": {
                    name: _direction([way(cut) for cut in its], _yardstick(by_hub, way), seed)
                    for name, way in WAYS.items()
                },
                "reaction_ms": [cut.reaction_ms for cut in its],
                "packets_a_second": dict(quiet[hub].packets_a_second) if hub in quiet else None,
                "failback_lost": sum(cut.failback_to_branch.lost + cut.failback_to_hub.lost for cut in its),
                "failback_sent": sum(cut.failback_to_branch.sent + cut.failback_to_hub.sent for cut in its),
                "cuts": [asdict(cut) for cut in its],
            }
            for hub, its in by_hub.items()
        },
    }


def _direction(ways: Sequence[Way], yardstick: Sequence[float], seed: int) -> dict[str, Any]:
    values = [way.longest_ms for way in ways]
    difference = difference_of_medians(values, yardstick, seed) if yardstick else None
    return {
        **asdict(figures(values, seed)),
        "lost": sum(way.lost for way in ways),
        "never_ended": sum(not way.ended for way in ways),
        "beside_bird": None if difference is None else asdict(difference),
    }
