"""`pointsman firewall`: the hub's rules to read, to compare with what is in force, and to put in force alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED
from hub.cli.hub_files import HubFiles, add_files, files_of, said_again
from hub.cli.where import no_configuration, say
from hub.control.places import Places

if TYPE_CHECKING:
    from hub.provisioner.program import Program
    from hub.provisioner.provisioner import OtherNetwork
    from hub.provisioner.wanted import Wanted

_EPILOG = """\
examples:
  pointsman firewall print | less          the rules, also before they are switched on
  sudo pointsman firewall check            are they in force, unchanged? (exit status 1: no)
  sudo pointsman firewall apply            put them in force now, and nothing else
  sudo pointsman firewall check --name lab   of the hub of a lab

They are in the nftables table inet pointsman-firewall. Whatever other tables drop stays dropped.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "firewall",
        help="the hub's firewall: print, check, apply",
        description="Shows the hub's nftables rules, compares them with what is in force, puts them in force.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _action(actions, "print", "print the rules that the configuration makes", run_print)
    _action(actions, "check", "compare them with what is in force", run_check)
    apply = _action(actions, "apply", "put them in force", run_apply, state="state")
    apply.add_argument("--force", action="store_true", help="even if your own connection could not be opened again")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    run: object,
    state: str | None = None,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_files(parser, state=state)
    parser.set_defaults(run=run)
    return parser


def run_print(options: argparse.Namespace) -> int:
    """Print the rules; those that would be, where the firewall is off."""
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.firewall.plan import rules_of
    from hub.provisioner.firewall.rules import render

    files = files_of(options)
    if isinstance(files, int):
        return files
    wanted = _wanted(options, files)
    if wanted is None:
        return REFUSED
    try:
        text = render(rules_of(wanted))
    except ProvisionError as error:
        return _failed(error)
    if not wanted.firewall:
        print(f"pointsman: the firewall is off, so these rules are not in force\n    mend: {_ON}", file=sys.stderr)
    print(text, end="")
    return DONE


_ON = "write security: {firewall: on} in network.yaml, or security: {management: [PREFIX]}"


def run_check(options: argparse.Namespace) -> int:
    """Compare; 0 if what is in force is what the configuration makes."""
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.firewall.backend import FirewallSlice, dropped
    from hub.provisioner.firewall.plan import drift, open_management

    files = _entered(options)
    if isinstance(files, int):
        return files
    wanted = _wanted(options, files)
    if wanted is None:
        return REFUSED
    try:
        seen = FirewallSlice(_nft(files)).look()
        amiss = drift(wanted, seen)
    except ProvisionError as error:
        return _failed(error)
    if not wanted.firewall:
        amiss = "the firewall is off, and its rules are in force all the same" if seen.ours else None
    if amiss is not None:
        again = said_again(options, "config", "name")
        print(f"pointsman: {amiss}\n    mend: pointsman firewall apply{again}", file=sys.stderr)
        return REFUSED
    if not wanted.firewall:
        print(f"the firewall is off; to switch it on {_ON}")
        return DONE
    for finding in open_management(wanted):
        print(f"pointsman: warning: {finding.text}\n    mend: {finding.mend}", file=sys.stderr)
    counts = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in sorted(dropped(seen).items()))
    print(f"the rules are in force, unchanged; packets dropped: {counts}")
    return DONE


def run_apply(options: argparse.Namespace) -> int:
    """Put them in force, unless whoever asks would be locked out."""
    from hub.control.lock import AlreadyRunningError
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.firewall.backend import FirewallSlice
    from hub.provisioner.firewall.plan import locks_out
    from hub.provisioner.provisioner import Provisioner

    files = _entered(options)
    if isinstance(files, int):
        return files
    wanted = _wanted(options, files)
    if wanted is None:
        return REFUSED
    if (Places() if files.lab is None else Places(run=files.lab.run)).provisioner_socket.is_socket():
        again = said_again(options, "name")
        print("pointsman: the provisioner that runs would put back what was applied last", file=sys.stderr)
        print(f"    mend: pointsman apply{again}, which puts the files' firewall in force too", file=sys.stderr)
        return REFUSED
    try:
        locked = None if options.force else locks_out(wanted, connected_from())
    except ProvisionError as error:
        return _failed(error)
    if locked is not None:
        mend = "add your address to security.management in network.yaml, or --force"
        print(f"pointsman: {locked}\n    mend: {mend}", file=sys.stderr)
        return REFUSED
    try:
        files.state.mkdir(parents=True, exist_ok=True, mode=0o750)
        with _network(files) as other:
            lock = Places(state=files.state).provisioner_lock
            outcome = Provisioner((FirewallSlice(_nft(files)),), lock, other).apply(wanted, said=print)
    except (AlreadyRunningError, ProvisionError) as error:
        return _failed(error)
    except OSError as error:
        print(f"pointsman: {error.filename}: {error.strerror}: run as root, or name a --state-dir", file=sys.stderr)
        return REFUSED
    amiss = [(failure.text, failure.mend) for failure in outcome.failed]
    amiss += [(refusal.text, refusal.mend) for refusal in outcome.refused]
    for text, mend in amiss:
        print(f"pointsman: {text}" + (f"\n    mend: {mend}" if mend else ""), file=sys.stderr)
    if not amiss and not outcome.done:
        print("nothing to do" if wanted.firewall else f"nothing to do: the firewall is off; to switch it on {_ON}")
    return REFUSED if amiss else DONE


def _entered(options: argparse.Namespace) -> HubFiles | int:
    """The files that are meant; or the exit status, where the lab is one that this user has to enter first."""
    files = files_of(options)
    if isinstance(files, int) or files.lab is None:
        return files
    from hub.lab import rootless
    from hub.lab.names import LabError

    if not rootless.needed(os.geteuid()):
        return files
    try:
        return rootless.run_this_command(files.lab, create=False)
    except LabError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return NOT_RUNNING


def _nft(files: HubFiles) -> Program | None:
    """What runs nft where the hub is; None for this network namespace."""
    if files.lab is None:
        return None
    from hub.lab.network import HUB
    from hub.provisioner.program import program_in

    return program_in(files.lab.namespace(HUB))


@contextmanager
def _network(files: HubFiles) -> Iterator[OtherNetwork]:
    """What says whether another network is here, while no other may begin; a lab's hub has a namespace of its own.

    Raises:
        AlreadyRunningError: a process of another network is here.
        ProvisionError: that cannot be seen.
    """
    if files.lab is not None:
        yield lambda _: None
        return
    from hub.provisioner.one_network import hold_machine, other_network

    with hold_machine(files.state):
        yield other_network


def _wanted(options: argparse.Namespace, files: HubFiles) -> Wanted | None:
    """What the files ask for; None after saying what is wrong with them."""
    from hub.config import read
    from hub.config.directory import find_directory
    from hub.provisioner.from_intent import wanted_of

    if (
        nowhere := no_configuration(files.config, f"firewall ACTION{said_again(options, 'name')} --config")
    ) is not None:
        say(nowhere)
        return None
    configuration = read(find_directory(files.config, Path.cwd()))
    if configuration.intent is None:
        for problem in configuration.problems:
            print(problem, file=sys.stderr)
        return None
    return wanted_of(configuration.intent)


def _failed(error: Exception) -> int:
    mend = getattr(error, "mend", "")
    print(f"pointsman: {error}" + (f"\n    mend: {mend}" if mend else ""), file=sys.stderr)
    return REFUSED


def connected_from(proc: Path = Path("/proc"), pid: int | None = None) -> str | None:
    """The address from which whoever started this is connected by SSH (SSH_CONNECTION, ssh(1)); None if by none.

    sudo takes the variable out of the environment, so those of the processes above this one are looked at too.
    """
    for process in _above(proc, os.getpid() if pid is None else pid):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for entry in environment:
            name, _, value = entry.partition(b"=")
            if name == b"SSH_CONNECTION" and value.split():
                return value.split()[0].decode("ascii", "replace")
    return None


def _above(proc: Path, pid: int) -> Iterator[Path]:
    """A process and all those above it."""
    seen: set[int] = set()
    while pid > 1 and pid not in seen:
        seen.add(pid)
        yield proc / str(pid)
        try:
            pid = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
