"""What the commands of `pointsman branch` have in common: which configuration, and how they refuse."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import REFUSED
from hub.cli.saying import line
from hub.cli.where import add_config, no_configuration, say

if TYPE_CHECKING:
    from hub.config.problems import Problem


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """The options that every one has."""
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def configuration_of(options: argparse.Namespace, command: str) -> Path | int:
    """The directory that is meant, or the exit status after saying that there is none."""
    from hub.config.directory import find_directory

    nowhere = no_configuration(options.config, f"branch {command} --config")
    if nowhere is not None:
        if options.json:
            return refused(options, Path.cwd(), [nowhere])
        say(nowhere)
        return REFUSED
    return find_directory(options.config, Path.cwd())


def refused(
    options: argparse.Namespace, directory: Path, problems: Sequence[Problem], nothing: str = "nothing was written"
) -> int:
    """Say all of it, as `check` would, and that nothing was done; the exit status."""
    if options.json:
        from hub.cli.check import problem_json

        answer = {"configuration": str(directory), "problems": [problem_json(problem) for problem in problems]}
        print(json.dumps(answer, indent=2))
        return REFUSED
    print(f"configuration: {directory}")
    print("\n".join([*map(str, problems), nothing]), file=sys.stderr)
    return REFUSED


def unwritable(error: OSError, file: str) -> Problem:
    """That a file cannot be read or written."""
    from hub.config.problems import Place
    from hub.config.problems import error as problem

    place = Path(error.filename).name if error.filename else file
    return problem(Place(place), f"cannot be written: {error.strerror or error}", "look who may write there: ls -ld .")


def named(text: str) -> str:
    """The name of a branch."""
    from hub.config.scalars import UnreadableError, read_name

    try:
        return read_name(text)
    except UnreadableError as problem:
        raise argparse.ArgumentTypeError(f"{problem}{f' ({problem.mend})' if problem.mend else ''}") from problem


def step(heading: str, command: str, does: str) -> str:
    """A line of what comes next."""
    return line(heading, f"{command:<33} {does}")
