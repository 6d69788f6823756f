"""False alarms: sixteen tunnels that are well, over lines that lose packets, on a machine that has other things to do.

Run by `scripts/bench soak`. What counts as a death, and what as a freeze of the whole machine, is in
docs/reference/measured.md. The exit status is 1 when a tunnel died in anybody's eyes and no freeze explains it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from soak_count import Death, Row, rows, unexplained
from soak_course import Course, Result, run
from soak_network import Loss, Wanted

MOST_LISTED = 20


def main() -> int:
    """Measure, print, and write; 0 when every death is explained."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    wanted = Wanted(
        branches=options.branches,
        interval_ms=options.interval,
        multiplier=options.multiplier,
        confirm=options.confirm == "on",
        bfd=options.method == "bfd",
        plain_bird=options.plain_bird,
        branches_first=options.branches_first,
    )
    course = Course(
        options.minutes * 60, options.loss / 100, options.busy, options.stops, options.stop_ms / 1000, options.seed
    )
    result = run(wanted, course)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(result), indent=1) + "\n")
    print("\n".join(_table(result)))
    return 1 if unexplained(result.deaths) or result.lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="(default: %(default)s)")
    parser.add_argument(
        "--loss", type=float, default=2.0, help="percent of the packets each way (default: %(default)s)"
    )
    parser.add_argument("--busy", type=int, default=0, help="busy loops beside (default: %(default)s)")
    parser.add_argument(
        "--stops", type=int, default=0, help="how often to stop the hub's process (default: %(default)s)"
    )
    parser.add_argument("--stop-ms", type=float, default=100.0, help="for how long (default: %(default)s)")
    parser.add_argument("--branches", type=int, default=8, help="of two tunnels each (default: %(default)s)")
    parser.add_argument("--interval", type=int, default=50, help="of liveness, in ms (default: %(default)s)")
    parser.add_argument("--multiplier", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument(
        "--confirm", choices=("on", "off"), default="on", help="early confirmation (default: %(default)s)"
    )
    parser.add_argument("--method", choices=("bfd", "icmp"), default="bfd", help="of liveness (default: %(default)s)")
    parser.add_argument(
        "--plain-bird", action="store_true", help="BIRD as the hub: BFD only, the same timers both ways"
    )
    parser.add_argument(
        "--branches-first",
        action="store_true",
        help="no program goes before the branches' routers, as on machines of their own",
    )
    parser.add_argument("--seed", type=int, default=1, help="when the stops are (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was seen there")
    options = parser.parse_args()
    if options.plain_bird and options.method == "icmp":
        parser.error("BIRD has BFD only: --plain-bird goes with --method bfd")
    return options


def _ended(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit("ended before the time was over")


def _table(result: Result) -> list[str]:
    return [*_circumstances(result), "", *_deaths(result), *_listed(result), *_counters(result)]


def _circumstances(result: Result) -> list[str]:
    wanted, course, machine = result.wanted, result.course, result.machine
    hub = "BIRD" if wanted.plain_bird else f"Pointsman, confirmation {'on' if wanted.confirm else 'off'}"
    whole = [freeze for freeze in result.freezes if freeze.processor is None]
    first = ", the branches' routers go first" if wanted.branches_first else ""
    lost = f"{_lost(result.to_hub)} to the hub, {_lost(result.to_branches)} to the branches"
    of_one = len(result.freezes) - len(whole)
    longest = max((freeze.ends - freeze.begins for freeze in whole), default=0.0)
    cores = f"{os.uname().release}, {os.cpu_count()} cores, load {machine.load:.1f}, {machine.idle:.0%} idle"
    method = "BFD" if wanted.bfd else "ICMP"
    timers = f"{method} {wanted.interval_ms} ms x {wanted.multiplier}, loss {course.loss * 100:g} % each way"
    lines = [
        f"{cores}, {machine.stolen:.1%} stolen; the hub's process {machine.hub_process:.1%} of a core",
        f"hub: {hub}; {result.tunnels} tunnels, {timers}, {course.busy} busy loops{first}",
        f"{course.seconds / 60:g} min, {result.tunnel_hours:.2f} tunnel-hours; lost: {lost}",
        f"freezes of the machine: {len(whole)}, the longest {longest * 1000:.0f} ms; of one processor: {of_one}",
    ]
    if result.stops:
        longest = max(stop.ends - stop.begins for stop in result.stops)
        lines.append(
            f"stops: {len(result.stops)} of {course.stop_seconds * 1000:.0f} ms, the longest {longest * 1000:.0f}"
        )
    if not machine.watcher_first:
        lines.append("the watcher was not allowed to go first (SCHED_DEADLINE): a freeze may be other programs' work")
    if result.lost:
        lines.append(f"the forwarder was gone {len(result.lost)} times")
    return lines


def _lost(loss: Loss) -> str:
    return f"{loss.dropped / max(1, loss.arrived):.2%} of {loss.arrived:,} packets"


def _deaths(result: Result) -> list[str]:
    stopped = bool(result.stops)
    titles = ["all", "in a freeze", "in none", "per tunnel-hour", "moments", "one processor", *["in a stop"] * stopped]
    lines = [f"{'deaths':<36}" + "".join(f"{title:>16}" for title in titles)]
    for row in rows(result.deaths):
        rate = f"{row.not_in_freeze / result.tunnel_hours:.2f}"
        cells: list[object] = [row.all, row.in_freeze, row.not_in_freeze, rate, row.moments, row.in_freeze_of_one]
        cells += [row.in_stop] * stopped
        lines.append(f"{f'{row.eye.value}: {row.kind.value}':<36}" + "".join(f"{cell:>16}" for cell in cells))
    return lines


def _listed(result: Result) -> list[str]:
    left = unexplained(result.deaths)
    more = [f"… and {len(left) - MOST_LISTED} more"] if len(left) > MOST_LISTED else []
    return [*(f"  {_told(death, result)}" for death in left[:MOST_LISTED]), *more]


def _told(death: Death, result: Result) -> str:
    change = death.change
    at = change.at - result.within.begins
    return f"{at:9.3f} s  {change.tunnel:<16}{change.eye.value:<8}{death.kind.value}: {change.reason}"


def _counters(result: Result) -> list[str]:
    return ["", *(f"{name:<36}{value:>16,}" for name, value in result.counters.items())] if result.counters else []


def as_json(result: Result) -> dict[str, Any]:
    """All of it; instants are seconds from the beginning."""
    begins = result.within.begins

    def spans(several: Any) -> list[dict[str, Any]]:
        return [{"at": s.begins - begins, "seconds": s.ends - s.begins, "processor": s.processor} for s in several]

    return {
        "wanted": asdict(result.wanted),
        "course": asdict(result.course),
        "kernel": os.uname().release,
        "cores": os.cpu_count(),
        "machine": asdict(result.machine),
        "tunnels": result.tunnels,
        "tunnel_hours": result.tunnel_hours,
        "rows": [_row_json(row) for row in rows(result.deaths)],
        "deaths": [_death_json(death, begins) for death in result.deaths],
        "to_hub": asdict(result.to_hub),
        "to_branches": asdict(result.to_branches),
        "freezes": spans(result.freezes),
        "stops": spans(result.stops),
        "forwarder_gone": [at - begins for at in result.lost],
        "counters": result.counters,
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {**asdict(row), "eye": row.eye.value, "kind": row.kind.value, "not_in_freeze": row.not_in_freeze}


def _death_json(death: Death, begins: float) -> dict[str, Any]:
    change = death.change
    return {
        "at": change.at - begins,
        "eye": change.eye.value,
        "tunnel": change.tunnel,
        "kind": death.kind.value,
        "reason": change.reason,
        "heard": None if change.heard is None else change.heard - begins,
        "follows": death.follows,
        "in_freeze": death.in_freeze,
        "in_freeze_of_one": death.in_freeze_of_one,
        "in_stop": death.in_stop,
    }


if __name__ == "__main__":
    sys.exit(main())
