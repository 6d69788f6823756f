"""Which files a command reads that needs no running hub: those that were named, a lab's, or the system's."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import NOT_RUNNING
from hub.cli.where import add_config, lab_name
from hub.control.places import SYSTEM_STATE

if TYPE_CHECKING:
    from hub.lab.names import LabPlace


@dataclass(frozen=True, slots=True)
class HubFiles:
    """A HubFiles is where a hub's files are; `config` is None where the usual directory is meant.

    `lab` is the lab that the hub is in, None for one that is in none.
    """

    config: Path | None
    state: Path
    lab: LabPlace | None = None


def add_files(parser: argparse.ArgumentParser, *, state: str | None = None) -> None:
    """The options that name a hub's files; `state` is what is looked for in its state directory, None for nothing."""
    add_config(parser)
    if state is not None:
        parser.add_argument(
            "--state-dir", type=Path, metavar="DIR", help=f"{state} (default: {SYSTEM_STATE}, or the lab's)"
        )
    parser.add_argument("--name", type=lab_name, metavar="NAME", help="the hub of the lab of this name")


def files_of(options: argparse.Namespace) -> HubFiles | int:
    """The files that are meant; the exit status after saying that there is no such lab."""
    state: Path | None = getattr(options, "state_dir", None)
    if options.name is None:
        return HubFiles(options.config, state or SYSTEM_STATE)
    from hub.lab.names import NotUpError, lab_place
    from hub.lab.record import load

    place = lab_place(options.name)
    try:
        lab = load(place)
    except NotUpError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return NOT_RUNNING
    return HubFiles(options.config or lab.configuration, state or place.state, place)


def said_again(options: argparse.Namespace, *names: str) -> str:
    """The options by which files were named, as they are to be written again; `names` are those that count.

    They are `config`, `state_dir` and `name`, or those that the other command has.
    """
    words = []
    for name in names or ("config", "state_dir", "name"):
        value = getattr(options, name, None)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return f" {shlex.join(words)}" if words else ""
