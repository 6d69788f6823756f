"""`pointsman run`: all processes of the hub in the foreground."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.where import no_configuration, say
from hub.control.places import SYSTEM_RUN, SYSTEM_STATE, Places

if TYPE_CHECKING:
    from hub.config import Configuration
    from hub.config.provenance import Provenance

_EPILOG = """\
examples:
  pointsman run                                      as configured in /etc/pointsman
  pointsman run --config . --run-dir run --state-dir state

Each process can also be started alone, as systemd does:
  python -m hub.forwarder --run-dir DIR --state-dir DIR
  python -m speaker.bgp.launcher DIR/exabgp-1.conf
  python -m hub.controller --config DIR --run-dir DIR --state-dir DIR
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    from hub.lab_overrides import add_arguments

    parser = commands.add_parser(
        "run",
        help="run the hub here, in the foreground",
        description="Runs the forwarder, ExaBGP and the controller, and starts again whichever dies.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, metavar="DIR", help="the configuration (default: here, else /etc/pointsman)"
    )
    parser.add_argument(
        "--run-dir", type=Path, default=SYSTEM_RUN, metavar="DIR", help="sockets (default: %(default)s)"
    )
    parser.add_argument(
        "--state-dir", type=Path, default=SYSTEM_STATE, metavar="DIR", help="state (default: %(default)s)"
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the configuration, then supervise until a signal."""
    from hub.config.directory import find_directory
    from hub.config.starting import staying
    from hub.control.lock import AlreadyRunningError, hold
    from hub.lab_overrides import from_options
    from hub.supervisor import Supervisor, programs

    if (nowhere := no_configuration(options.config, "run --config")) is not None:
        say(nowhere)
        return 1
    config = find_directory(options.config, Path.cwd()).absolute()
    places = Places(config, options.run_dir.absolute(), options.state_dir.absolute())
    kept = staying(places.config, places.state)
    configuration = _usable(places.config, kept)
    if configuration.intent is None:
        for problem in configuration.problems:
            print(problem, file=sys.stderr)
        return 1
    if missing := _missing_capabilities():
        print(f"pointsman: {', '.join(missing)} missing: run it as root (sudo pointsman run)", file=sys.stderr)
        return 1
    try:
        for directory in (places.run, places.state):
            directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        hold(places.run / "run.lock", '"pointsman run"')
    except OSError as error:
        print(f"pointsman: {error.filename}: {error.strerror}: run as root, or name other directories", file=sys.stderr)
        return 1
    except AlreadyRunningError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    _put_in_force(places, kept)
    if shutil.which("setpriv") is None:
        text = "setpriv is missing, so all processes keep all capabilities: apt-get install util-linux"
        print(f"pointsman: {text}", file=sys.stderr)
    os.environ["PYTHONUNBUFFERED"] = "1"
    # Without compiled modules on disk a process takes twice as long to come back.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    overrides = from_options(options).arguments()
    return Supervisor(lambda: programs(places, overrides), places.run).run()


def _usable(directory: Path, kept: tuple[Path, Provenance] | None) -> Configuration:
    """What is to be in force; where a copy that stays cannot be used, the controller says so and takes the files."""
    from hub.config import read

    if kept is not None and (copy := read(kept[0], origin=directory)).intent is not None:
        return copy
    return read(directory)


def _put_in_force(places: Places, kept: tuple[Path, Provenance] | None) -> None:
    """What the files say now counts from here on; a controller that dies comes back with it, whatever they say then."""
    if kept is not None:
        print(f"pointsman: {_why_it_stays(kept[1])}", file=sys.stderr)
        return
    from hub.config.starting import put_files_in_force

    try:
        put_files_in_force(places.config, places.state, datetime.now(UTC), "pointsman run")
    except OSError as error:
        text = f"{error.filename or places.state}: {error.strerror}: a restarted controller will read {places.config}"
        print(f"pointsman: {text}", file=sys.stderr)


def _why_it_stays(provenance: Provenance) -> str:
    """A machine that starts again must not take what nobody confirmed."""
    confirmation, gone_back = provenance.confirmation, provenance.gone_back
    if confirmation is not None:
        until = f"{confirmation.until.astimezone():%Y-%m-%d %H:%M:%S}"
        return f"configuration {provenance.plan} stays in force, and goes back at {until} unless confirmed"
    plan = f" {gone_back.plan}" if gone_back is not None else ""
    return (
        f"what was gone back to from configuration{plan} stays in force, whatever the files say: "
        '"pointsman plan" shows them, "pointsman apply" takes them'
    )


def _missing_capabilities() -> list[str]:
    """What the processes need, and this one cannot give them."""
    from hub.forwarder.checks import HUB_NEEDS, missing_capabilities

    return missing_capabilities(needed=HUB_NEEDS)
