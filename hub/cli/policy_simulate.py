"""`pointsman policy simulate`: a month of a network on a virtual clock."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, REFUSED
from hub.cli.policy_test import course, track_json

if TYPE_CHECKING:
    from hub.config.problems import Problem
    from hub.policy_tests.simulate import Simulated
    from policies.model.intent import Branch, Intent

DAYS, SEED = 30.0, 1
MOST_DAYS = 366.0
_EPILOG = """\
examples:
  pointsman policy simulate                                30 days of every branch, what goes wrong drawn by lot
  pointsman policy simulate config/eight-branches --days 90 --seed 7
  pointsman policy simulate --branch bandung
  pointsman policy simulate policies/tests/brown-out.yaml  what this test gives
  pointsman policy simulate --json | jq .totals

The same seed draws the same course, whatever the policy: so two policies can be compared.

exit status: 0 done, 1 the files have errors or a script failed, 2 usage
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "simulate",
        help="a month of the network in seconds: moves, time off the preferred tunnels and on metered ones",
        description="Plays what goes wrong on lines, drawn by lot or as a test's file gives it, against the "
        "configuration's policies, on a virtual clock. No hub need run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", nargs="?", metavar="DIR|FILE", help="a configuration, or the file of a test")
    parser.add_argument("--days", type=_days, metavar="DAYS", help=f"how long (default: {DAYS:g}, or as the file says)")
    parser.add_argument("--seed", type=int, metavar="NUMBER", help=f"what is drawn follows from it (default: {SEED})")
    parser.add_argument("--branch", metavar="NAME", help="only this branch")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=lambda options: run(options, parser))


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Simulate; 0 if the files are right."""
    from hub.cli.policy_where import chosen
    from hub.cli.where import no_configuration, say

    nowhere = no_configuration(options.path, "policy simulate")
    if nowhere is not None:
        say(nowhere)
        return REFUSED
    [(directory, files)] = chosen([options.path] if options.path else [])
    if files is None:
        return _at_random(options, directory)
    if options.branch is not None or options.seed is not None:
        parser.error("a file has its branch and its course: leave --branch and --seed away")
    return _of_file(options, directory, files)


def _at_random(options: argparse.Namespace, directory: Path) -> int:
    from hub.config import read
    from hub.policy_tests.simulate import simulate_at_random

    configuration = read(directory)
    intent = configuration.intent
    if intent is None:
        return _refuse(configuration.problems)
    if options.branch is not None and options.branch not in intent.branches:
        return _no_branch(options.branch, intent)
    branches = [intent.branches[options.branch]] if options.branch is not None else list(intent.branches.values())
    acting, wrong = _ready(directory, branches, intent)
    if wrong:
        return _refuse(wrong)
    days, seed = options.days or DAYS, options.seed if options.seed is not None else SEED
    found = simulate_at_random(intent, acting, directory, days, seed)
    if options.json:
        drawn = {"seed": seed, "drawn": _troubles_json()}
        print(json.dumps(as_json(directory, days * 86_400, found) | drawn, indent=2))
    else:
        print("\n".join([f"configuration: {directory}", *_drawn_text(days, seed), "", *table(found)]))
    return _status(found)


def _of_file(options: argparse.Namespace, directory: Path, files: list[str]) -> int:
    from hub.policy_tests.files import read_tests
    from hub.policy_tests.simulate import simulate

    read = read_tests(directory, files)
    if read.intent is None or not read.usable:
        return _refuse(read.problems)
    [test] = read.tests
    _, wrong = _ready(directory, [test.branch], read.intent)
    if wrong:
        return _refuse(wrong)
    seconds = options.days * 86_400 if options.days is not None else test.seconds
    found = simulate(read.intent, test.branch, directory, test.steps, seconds, test.start)
    if options.json:
        print(json.dumps(as_json(directory, seconds, [found]) | {"file": test.file}, indent=2))
    else:
        print("\n".join([f"configuration: {directory}", f"{test.file}:", *course(found.track), "", *table([found])]))
    return _status([found])


def _ready(directory: Path, branches: Sequence[Branch], intent: Intent) -> tuple[list[Branch], list[Problem]]:
    """The branches as if each had the mode `act`, and what is wrong with their scripts."""
    from dataclasses import replace

    from hub.policy_tests.advice import problems_of_scripts
    from policies.model.intent import Mode

    return [replace(branch, mode=Mode.ACT) for branch in branches], problems_of_scripts(directory, branches, intent)


def _refuse(problems: Sequence[Problem]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return REFUSED


def _no_branch(name: str, intent: Intent) -> int:
    from hub.config.names import listed, write_instead

    mend = write_instead(name, intent.branches) or f"there are {listed(intent.branches)}"
    print(f'pointsman: there is no branch "{name[:60]}"\n    mend: {mend}', file=sys.stderr)
    return REFUSED


def _status(found: Sequence[Simulated]) -> int:
    for fault in dict.fromkeys(fault for each in found for fault in each.faults):
        print(f"pointsman: {fault}", file=sys.stderr)
    return REFUSED if any(each.faults for each in found) else DONE


def table(found: Sequence[Simulated]) -> list[str]:
    """A line for each branch, and their sum."""
    from policies.lengths import spoken_to_tenths

    rows = [("BRANCH", "POLICY", "MOVES", "OFF PREFERRED", "METERED", "MOVES BY CAUSE")]
    for each in found:
        track = each.track
        times = (spoken_to_tenths(track.off_preferred), spoken_to_tenths(track.on_metered))
        rows.append((track.branch, each.policy, str(len(track.changes)), *times, _causes(each.causes)))
    if len(found) > 1:
        sums = totals(found)
        times = (spoken_to_tenths(sums["off-preferred-seconds"]), spoken_to_tenths(sums["metered-seconds"]))
        causes: dict[str, int] = {}
        for each in found:
            for word, count in each.causes.items():
                causes[word] = causes.get(word, 0) + count
        rows.append((f"all {len(found)}", "", f"{sums['moves']:g}", *times, _causes(causes)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def totals(found: Sequence[Simulated]) -> dict[str, float]:
    """The sums over all branches."""
    return {
        "moves": sum(len(each.track.changes) for each in found),
        "off-preferred-seconds": round(sum(each.track.off_preferred for each in found), 1),
        "metered-seconds": round(sum(each.track.on_metered for each in found), 1),
    }


def as_json(directory: Path, seconds: float, found: Sequence[Simulated]) -> dict[str, object]:
    """The same, for programs."""
    return {
        "configuration": str(directory),
        "seconds": seconds,
        "branches": [
            {"branch": each.track.branch, "policy": each.policy, "preferred": each.track.preferred}
            | {"faults": list(each.faults)}
            | track_json(each.track)
            for each in found
        ],
        "totals": totals(found),
    }


def _causes(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in causes.items())


def _drawn_text(days: float, seed: int) -> list[str]:
    from policies.lengths import spoken_to_tenths
    from policies.simulation.chance import TROUBLES

    lines = [f"{days:g} days from a Monday on, drawn with seed {seed}, in the mean:"]
    return lines + [f"  {t.name}: every {spoken_to_tenths(t.every)}, for {spoken_to_tenths(t.lasts)}" for t in TROUBLES]


def _troubles_json() -> list[dict[str, object]]:
    from policies.simulation.chance import TROUBLES

    return [
        {"what": each.name, "of": each.where.value, "every-seconds": each.every, "lasts-seconds": each.lasts}
        for each in TROUBLES
    ]


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f'"{text[:40]}" is no number of days of more than 0, up to {MOST_DAYS:g}')
    return days
