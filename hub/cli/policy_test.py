"""`pointsman policy test`: the tests of a configuration's policies."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, REFUSED

if TYPE_CHECKING:
    from hub.config.problems import Problem
    from hub.policy_tests.run import Result
    from policies.simulation.track import Track

_EPILOG = """\
examples:
  pointsman policy test                                    policies/tests/*.yaml of the configuration
  pointsman policy test config/eight-branches
  pointsman policy test policies/tests/brown-out.yaml
  pointsman policy test --json | jq '.tests[] | select(.passed | not)'

exit status: 0 all is as expected, 1 a test failed or the files have errors, 2 usage
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "test",
        help="run the tests in policies/tests/",
        description="Plays what each file of policies/tests/ gives against the configuration's policies, on a virtual "
        "clock, and says where the branch is not as it expects. No hub need run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="*", metavar="DIR|FILE", help="a configuration, or files of tests (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run them; 0 if all is as expected."""
    from hub.cli.policy_where import chosen
    from hub.cli.where import no_configuration, say

    nowhere = no_configuration(options.paths[0] if options.paths else None, "policy test")
    if nowhere is not None:
        say(nowhere)
        return REFUSED
    problems: list[Problem] = []
    results: list[Result] = []
    directories = chosen(options.paths)
    for directory, files in directories:
        if not options.json:
            print(f"configuration: {directory}")
        found, wrong = _run_all(directory, files)
        results += found
        problems += wrong
        if not options.json:
            _show(found, wrong)
    bad = any(problem.severity.value == "error" for problem in problems)
    if options.json:
        print(json.dumps(as_json([directory for directory, _ in directories], results, problems), indent=2))
    else:
        print(summary(results, problems))
    return DONE if results and not bad and all(result.passed for result in results) else REFUSED


def _run_all(directory: Path, files: list[str] | None) -> tuple[list[Result], list[Problem]]:
    from hub.policy_tests.advice import problems_of_scripts
    from hub.policy_tests.files import read_tests
    from hub.policy_tests.run import run_test

    read = read_tests(directory, files)
    problems = list(read.problems)
    if read.intent is None:
        return [], problems
    scripts = problems_of_scripts(directory, (test.branch for test in read.tests), read.intent)
    if scripts:
        return [], [*problems, *scripts]
    return [run_test(test, read.intent, directory) for test in read.tests], problems


def _show(results: Sequence[Result], problems: Iterable[Problem]) -> None:
    from hub.cli.check import coloured

    for problem in problems:
        print(coloured(problem, colour=sys.stdout.isatty()))
    widest = max((len(result.test.file) for result in results), default=0)
    for result in results:
        print("\n".join(as_text(result, widest)))


def as_text(result: Result, widest: int = 0) -> list[str]:
    """One line for a test; where it failed, also what was expected, and what happened."""
    from hub.policy_tests.expectations import moves

    word = "ok" if result.passed else "failed"
    lines = [f"{word:<7} {result.test.file:<{widest}}  {moves(len(result.track.changes))}"]
    lines += [
        f"    {each.place}:{each.place.column}: expected {each.expected}: {each.instead}" for each in result.unmet
    ]
    lines += [f"    {fault}" for fault in result.faults]
    return (
        lines if result.passed else [*lines, "    what happened:", *(f"      {line}" for line in course(result.track))]
    )


def course(track: Track) -> list[str]:
    """The moves of a branch, a line each."""
    from policies.lengths import spoken_to_tenths

    lines = []
    for moved in track.moves:
        way = f"{moved.before} -> {moved.after}" if moved.before is not None else moved.after
        lines.append(f"{spoken_to_tenths(moved.at):>10}  {way}  {moved.cause}: {moved.text}")
    return lines


def summary(results: Sequence[Result], problems: Iterable[Problem]) -> str:
    """`2 tests: 1 ok, 1 failed`, and how many errors the files have."""
    errors = sum(problem.severity.value == "error" for problem in problems)
    wrong = f"{errors} error{'' if errors == 1 else 's'}"
    if not results:
        nothing = "no test was run: write one in policies/tests/ (docs/how-to/test-a-policy.md)"
        return f"{wrong}: no test was run" if errors else nothing
    good = sum(result.passed for result in results)
    said = [f"{good} ok"] if good else []
    said += [f"{len(results) - good} failed"] if good < len(results) else []
    said += [f"{wrong} in the files"] if errors else []
    return f"{len(results)} test{'' if len(results) == 1 else 's'}: {', '.join(said)}"


def as_json(directories: Iterable[Path], results: Sequence[Result], problems: Iterable[Problem]) -> dict[str, object]:
    """The same, for programs."""
    from hub.cli.check import problem_json

    return {
        "configurations": [str(directory) for directory in directories],
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "problems": [problem_json(problem) for problem in problems],
        "tests": [_result_json(result) for result in results],
    }


def _result_json(result: Result) -> dict[str, object]:
    return {
        "file": result.test.file,
        "branch": result.test.branch.name,
        "policy": result.test.branch.policy.name,
        "passed": result.passed,
        "seconds": result.track.seconds,
        "unmet": [
            {
                "file": each.place.file,
                "line": each.place.line,
                "column": each.place.column,
                "expected": str(each.expected),
                "instead": each.instead,
            }
            for each in result.unmet
        ],
        "faults": list(result.faults),
        **track_json(result.track),
    }


def track_json(track: Track) -> dict[str, object]:
    """What a simulation saw, for programs."""
    return {
        "moves": len(track.changes),
        "off-preferred-seconds": round(track.off_preferred, 1),
        "metered-seconds": round(track.on_metered, 1),
        "course": [
            {
                "at": round(moved.at, 3),
                "from": moved.before,
                "to": moved.after,
                "cause": moved.cause,
                "text": moved.text,
            }
            for moved in track.moves
        ],
    }
