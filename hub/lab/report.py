"""What `lab probe` and `lab status` say, as text and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hub.lab.outages import Direction, Outage
from hub.lab.probe import ProbeReport

_MOST_SHOWN = 3


def probe_text(reports: Mapping[str, ProbeReport], *, started: float, interval_ms: float) -> str:
    """A table, a line a branch and way; times are seconds since the probe started."""
    width = max([len("BRANCH"), *map(len, reports)])
    lines = [f"{'BRANCH':{width}}  WAY           SENT     LOST  OUTAGES"]
    for name, report in reports.items():
        for way, seen in (("to branch", report.to_branch), ("to hub", report.to_hub)):
            lines.append(
                f"{name:{width}}  {way:9}  {seen.sent:7}  {seen.lost:7}  {_outages(seen, started, interval_ms)}"
            )
    lines.append(f"one packet each way every {interval_ms:g} ms: known to that, where nothing else is said")
    return "".join(line.rstrip() + "\n" for line in lines)


def _outages(seen: Direction, started: float, interval_ms: float) -> str:
    if not seen.outages:
        text = "none"
    else:
        longest = sorted(seen.outages, key=lambda outage: outage.length_ms, reverse=True)[:_MOST_SHOWN]
        text = ", ".join(_outage(outage, started) for outage in sorted(longest, key=lambda outage: outage.start))
        more = len(seen.outages) - len(longest)
        text += f" and {more} shorter" if more else ""
    late = seen.resolution_ms > 1.5 * interval_ms
    return text + (f"  (known to {seen.resolution_ms:.0f} ms: the sender was late)" if late else "")


def _outage(outage: Outage, started: float) -> str:
    more = "" if outage.ended else " or more"
    return f"{outage.length_ms:.0f} ms{more} at {outage.start - started:.2f} s"


def probe_json(reports: Mapping[str, ProbeReport], *, started: float) -> dict[str, Any]:
    """The same for programs; `start_s` is seconds since the probe started."""

    def direction(seen: Direction) -> dict[str, Any]:
        outages = [{**asdict(outage), "start": round(outage.start - started, 6)} for outage in seen.outages]
        return {**asdict(seen), "outages": [{"start_s": one.pop("start"), **one} for one in outages]}

    return {
        name: {"to_branch": direction(report.to_branch), "to_hub": direction(report.to_hub)}
        for name, report in reports.items()
    }
