"""Which running hub a command is about: the one named, the system's, or the lab's if there is only that."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from hub.control.places import SYSTEM_CONFIG, SYSTEM_RUN, SYSTEM_STATE, Places


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """The option that names a running hub by its runtime directory."""
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="the running hub's sockets (default: /run/pointsman, else the lab's)",
    )


def running_hub(given: Path | None) -> Places:
    """Where the sockets of the hub in question are: by option, by environment, the system's, else the lab's."""
    if given is not None:
        return Places(run=given)
    if (named := os.environ.get("POINTSMAN_RUN_DIR")) is not None:
        return Places(run=Path(named))
    if SYSTEM_RUN.exists():
        return Places(SYSTEM_CONFIG, SYSTEM_RUN, SYSTEM_STATE)
    lab = _lab_run()
    return Places(run=lab) if lab is not None else Places()


def _lab_run() -> Path | None:
    from hub.lab.names import lab_place

    place = lab_place("lab").run
    return place if place.exists() else None
