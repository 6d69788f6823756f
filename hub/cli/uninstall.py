"""`pointsman uninstall`: takes away what `pointsman install` put there; state and keys stay, or go too where asked."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, REFUSED
from hub.cli.install import add_root, failed, show

if TYPE_CHECKING:
    from hub.installation.machine import Machine, Manifest
    from hub.installation.plan import Step

_EPILOG = """\
examples:
  sudo pointsman uninstall --dry-run
  sudo pointsman uninstall              stops the processes; tunnels, routes and state stay
  sudo pointsman uninstall --purge      state, keys and users go too, after a question; settings of the kernel that
                                        Pointsman made (sysctl) are put back to what they were
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "uninstall",
        help="take away what install put on this machine",
        description="Stops the processes and removes the files that install put there, and no others.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_root(parser)
    parser.add_argument("--dry-run", action="store_true", help="only show what would go")
    parser.add_argument("--force", action="store_true", help="remove also those of our files that somebody has changed")
    parser.add_argument("--purge", action="store_true", help="remove state, keys and users too, after a question")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Uninstall; 0 if nothing of ours is left but what was to stay."""
    from hub.installation.machine import Machine
    from hub.installation.plan import removing
    from hub.installation.shipped import InstallationError

    machine = Machine(options.root)
    try:
        manifest = machine.manifest()
        if not manifest.files and not options.purge:
            print("nothing is installed")
            return DONE
        steps = removing(set(manifest.files), machine.read(manifest.files), manifest.files)
        show(steps)
        if options.dry_run:
            return DONE
        if options.purge and not options.yes and not _sure(str(machine.state)):
            print("pointsman: nothing was removed", file=sys.stderr)
            return REFUSED
        return _remove(machine, manifest, steps, options)
    except InstallationError as error:
        return failed(error)


def _remove(machine: Machine, manifest: Manifest, steps: tuple[Step, ...], options: argparse.Namespace) -> int:
    from hub.installation.shipped import users

    if machine.runs:
        _systemctl("disable", "pointsman.target")
        _systemctl("stop", "pointsman.target", "pointsman-*.path", "pointsman-*.service")  # waits for all of them
    doing = [step for step in steps if options.force or not step.needs_force]
    after = machine.do(doing, manifest, manifest.user)
    left = [step for step in steps if step not in doing]
    for step in left:
        text = f"{step.path} {step.standing.value}: left as it is"
        print(f"pointsman: {text}\n    mend: --force removes it", file=sys.stderr)
    if not left:
        machine.forget(after)
    if machine.runs:
        _systemctl("daemon-reload")
    if options.purge:
        if machine.runs:
            _put_settings_back(machine.state)
        shutil.rmtree(machine.state, ignore_errors=True)
        for name in reversed(users(manifest.user)) if machine.runs else ():
            _run("userdel", name)
    else:
        print(f"state and keys stay in {machine.state}; what is in the kernel stays too (docs/how-to/run-on-a-hub.md)")
        print("the kernel's settings stay, as tunnels and routes need them: --purge puts them back to what they were")
    print(f"{len(doing)} of {len(steps)} files removed")
    return REFUSED if left else DONE


def _put_settings_back(state: Path) -> None:
    """The kernel's settings to what they were before Pointsman: what they were goes with the state."""
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.sysctls.backend import Sysctls

    try:
        for setting in Sysctls(state).put_back():
            print(f"put back: {setting}")
    except ProvisionError as error:
        print(f"pointsman: {error}\n    mend: {error.mend}", file=sys.stderr)


def _sure(state: str) -> bool:
    print(f"All keys, secrets and state in {state} go, and cannot be had back. Type yes to remove them: ", end="")
    sys.stdout.flush()
    with contextlib.suppress(EOFError):
        return input().strip() == "yes"
    return False


def _systemctl(*arguments: str) -> None:
    from hub.installation.machine import SYSTEMD_RUNS

    if SYSTEMD_RUNS.is_dir():
        _run("systemctl", *arguments)


def _run(*command: str) -> None:
    from hub.installation.machine import run

    if (said := run(*command)) is not None:
        print(f"pointsman: {' '.join(command)}: {said}", file=sys.stderr)
