"""`pointsman install`: units, users, directories and settings of systemd, put in place; the difference first."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, REFUSED

if TYPE_CHECKING:
    from hub.installation.machine import Machine
    from hub.installation.plan import Step
    from hub.installation.shipped import InstallationError

_EPILOG = """\
examples:
  sudo pointsman install --dry-run      what would be changed on this machine
  sudo pointsman install                change it; nothing is started
  sudo systemctl enable --now pointsman.target
  pointsman install --root build/image --python /opt/pointsman/bin/python3

Run it again after an upgrade: it changes only what differs. A file that somebody has changed is left alone, and named.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "install",
        help="put the systemd units, users and settings on this machine",
        description="Puts systemd's units, users, directories and settings in place, and shows the difference first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_root(parser)
    parser.add_argument("--user", default="pointsman", metavar="NAME", help="of the controller (default: pointsman)")
    parser.add_argument(
        "--python", type=Path, metavar="PATH", help="the interpreter of the units (default: the one that runs this)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only show the difference; exit status 1 if there is any"
    )
    parser.add_argument("--force", action="store_true", help="replace also what somebody else wrote")
    parser.set_defaults(run=run)


def add_root(parser: argparse.ArgumentParser) -> None:
    """The option that names an image of a machine in place of this one."""
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="an image of a machine; no program is run for it"
    )


def run(options: argparse.Namespace) -> int:
    """Install; 0 if all is in place then."""
    from hub.installation.machine import Machine
    from hub.installation.plan import installing
    from hub.installation.shipped import InstallationError, check_interpreter, shipped

    machine = Machine(options.root)
    try:
        python = Path(sys.executable) if options.python is None else options.python
        if machine.runs or options.python is None:
            check_interpreter(python.absolute(), of_image=not machine.runs)
        wanted = shipped(str(python.absolute()), options.user)
        manifest = machine.manifest()
        found = machine.read({each.path for each in wanted} | set(manifest.files))
        steps = installing(wanted, found, manifest.files)
        show(steps)
        if options.dry_run:
            return REFUSED if steps else DONE
        doing = [step for step in steps if options.force or not step.needs_force]
        machine.do(doing, manifest, options.user)
    except InstallationError as error:
        return failed(error)
    left = [step for step in steps if step not in doing]
    for step in left:
        print(
            f"pointsman: {step.path} {step.standing.value}: left as it is\n    mend: --force replaces it",
            file=sys.stderr,
        )
    problems = _act(machine) if machine.runs else 0
    print(_summary(machine, len(doing), len(steps)))
    return REFUSED if left or problems else DONE


def show(steps: tuple[Step, ...]) -> None:
    """The difference, file by file."""
    for step in steps:
        print(step.shown)


def failed(error: InstallationError) -> int:
    """What stands in the way, and the mend."""
    print(f"pointsman: {error}\n    mend: {error.mend}", file=sys.stderr)
    return REFUSED


def _summary(machine: Machine, done: int, all_of_them: int) -> str:
    if not all_of_them:
        return "everything is in place already"
    told = f"{done} of {all_of_them} files changed"
    if machine.runs:
        told += '; to start: write /etc/pointsman, "pointsman check", then "systemctl enable --now pointsman.target"'
    return told


def _act(machine: Machine) -> int:
    """Make users and directories, and have systemd and the kernel read the new files; how many of these failed."""
    from hub.installation.machine import SYSTEMD_RUNS, run

    commands = [
        ("systemd-sysusers", str(machine.below("/etc/sysusers.d/pointsman.conf"))),
        ("systemd-tmpfiles", "--create", str(machine.below("/etc/tmpfiles.d/pointsman.conf"))),
        ("sysctl", "--quiet", "--load", str(machine.below("/etc/sysctl.d/pointsman.conf"))),
    ]
    if SYSTEMD_RUNS.is_dir():
        commands.append(("systemctl", "daemon-reload"))
    else:
        print("pointsman: systemd does not run here: it reads the units at the next start", file=sys.stderr)
    problems = 0
    for command in commands:
        said = run(*command)
        if said is not None:
            problems += 1
            print(f"pointsman: {' '.join(command)}: {said}\n    mend: run it by hand", file=sys.stderr)
    return problems
