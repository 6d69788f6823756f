"""Which hub a command is about, running or configured: the one named, the one here, the system's, else the lab's."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hub.control.places import SYSTEM_CONFIG, SYSTEM_RUN, SYSTEM_STATE, Places

if TYPE_CHECKING:
    from hub.config.problems import Problem
    from hub.lab.names import LabPlace


def add_config(parser: argparse.ArgumentParser, *, default: str = "here, else /etc/pointsman") -> None:
    """The option that names the configuration; `default` says which one is read without it."""
    parser.add_argument("--config", type=Path, metavar="DIR", help=f"the configuration (default: {default})")


def add_running_hub(parser: argparse.ArgumentParser) -> None:
    """The options that name a running hub: by its runtime directory, or by the lab that it is in."""
    named = parser.add_mutually_exclusive_group()
    named.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="the running hub's sockets (default: /run/pointsman, else the lab's)",
    )
    named.add_argument("--name", type=lab_name, metavar="NAME", help="the hub of the lab of this name")


def running_hub(options: argparse.Namespace) -> Places:
    """Where the sockets of the hub in question are: by option, by environment, the system's, else the lab's."""
    if options.run_dir is not None:
        return Places(run=options.run_dir)
    if options.name is not None:
        return Places(run=_lab_run(options.name))
    if (named := os.environ.get("POINTSMAN_RUN_DIR")) is not None:
        return Places(run=Path(named))
    if SYSTEM_RUN.exists():
        return Places(SYSTEM_CONFIG, SYSTEM_RUN, SYSTEM_STATE)
    lab = _lab_run("lab")
    return Places(run=lab) if lab.exists() else Places()


def lab_of(places: Places) -> str | None:
    """The name of the lab that this hub is in; None for a hub that is in none."""
    from hub.lab.names import LabError, LabPlace

    run = places.run.absolute()
    try:
        place = LabPlace(run.parent.name, run.parent.parent)
    except LabError:
        return None
    return place.name if place.run == run and place.record.exists() else None


def not_running_mend(options: argparse.Namespace) -> str:
    """What to do when nobody answers."""
    from hub.lab.names import NotUpError, another_users

    if (place := _lab_in_question(options)) is not None:
        if (whose := another_users(place)) is not None:
            return whose
        with contextlib.suppress(NotUpError):
            return f"start it with {_start_in(place)}"
    if options.name is not None:
        return f'build the lab with "pointsman lab up{lab_option(options.name)}"'
    return 'start it with "pointsman run", or a lab with "pointsman lab up"'


def _lab_in_question(options: argparse.Namespace) -> LabPlace | None:
    """The lab that was named, or the usual one where nothing was."""
    from hub.lab.names import lab_place

    if options.name is not None:
        return lab_place(options.name)
    nothing = options.run_dir is None and "POINTSMAN_RUN_DIR" not in os.environ and not SYSTEM_RUN.exists()
    return lab_place("lab") if nothing else None


def _start_in(place: LabPlace) -> str:
    """The command that runs a hub in a lab that is up without one."""
    from hub.lab.hub_processes import run_words
    from hub.lab.plan import hub_uplinks
    from hub.lab.record import load
    from hub.lab_overrides import LabOverrides

    lab = load(place)
    words = run_words(place, lab.configuration, LabOverrides(uplinks=hub_uplinks(lab.network)))
    return f'"pointsman lab shell{lab_option(place.name)} hub -- pointsman {shlex.join(words)}"'


def lab_option(name: str) -> str:
    """How a command line says this lab; the usual one needs no word."""
    return "" if name == "lab" else f" --name {name}"


def no_configuration(written: str | Path | None, command: str) -> Problem | None:
    """What to say to a command that was given no directory where none is found by itself."""
    from hub.config.directory import find_directory
    from hub.config.load import NETWORK
    from hub.config.problems import Place, error

    here = Path.cwd()
    if written is not None or find_directory(None, here) == here or os.path.lexists(SYSTEM_CONFIG):
        return None
    text = f"no {NETWORK} here ({here}), and no {SYSTEM_CONFIG}"
    return error(Place(NETWORK), text, f"name the directory: pointsman {command} DIR")


def say(problem: Problem) -> None:
    """Print a problem that is of no file."""
    print(f"pointsman: {problem.text}\n    mend: {problem.mend}", file=sys.stderr)


def _lab_run(name: str) -> Path:
    from hub.lab.names import lab_place

    return lab_place(name).run


def lab_name(text: str) -> str:
    """The name of a lab, as an option has it.

    Raises:
        argparse.ArgumentTypeError: no lab can be called so.
    """
    from hub.lab.names import LabError

    try:
        _lab_run(text)
    except LabError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text
