"""Whose keys a command is about: the options that say so, the state directory and the configuration they lead to."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.where import add_config, add_running_hub, lab_of, running_hub

if TYPE_CHECKING:
    from hub.control.places import Places
    from hub.lab.record import Lab


@dataclass(frozen=True, slots=True)
class KeysWhere:
    """A KeysWhere is a hub: its places, and the directory of its configuration.

    `is_state_known`: false where only sockets were named, which do not say where the keys of that hub are.
    """

    places: Places
    config: Path
    is_state_known: bool


def add_where(parser: argparse.ArgumentParser) -> None:
    """The options that name the files and the hub."""
    add_config(parser, default="the lab's, here, else /etc/pointsman")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="the state (default: the lab's, else /var/lib/pointsman)"
    )
    add_running_hub(parser)


def keys_where(options: argparse.Namespace) -> KeysWhere:
    """By option, by the lab that the hub is in, else the system's."""
    from hub.config.directory import find_directory

    places, lab = running_hub(options), None
    named = options.run_dir is not None or options.name is not None or "POINTSMAN_RUN_DIR" in os.environ
    if options.state_dir is not None:
        places = replace(places, state=options.state_dir)
    elif (lab := _lab(places)) is not None:
        places = replace(places, state=lab.place.state)
    known = options.state_dir is not None or lab is not None or not named
    written = lab.configuration if lab is not None and options.config is None else options.config
    return KeysWhere(places, find_directory(written, Path.cwd()), known)


def _lab(places: Places) -> Lab | None:
    from hub.lab.names import LabError, LabPlace
    from hub.lab.record import load

    if (name := lab_of(places)) is None:
        return None
    try:
        return load(LabPlace(name, places.run.absolute().parent.parent))
    except LabError:
        return None
