"""`pointsman branch remove`: a branch that is gone leaves the configuration."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.branch_where import add_configuration, configuration_of, named, refused, step, unwritable
from hub.cli.exit_status import DONE, REFUSED
from hub.cli.saying import line

if TYPE_CHECKING:
    from hub.config.branch_removal import Removal

_EPILOG = """\
examples:
  pointsman branch remove malang              asks first
  pointsman branch remove malang --yes --release

The removed file is in your version control, if you have any: nothing else keeps a copy.

exit status: 0 done, 1 refused (nothing was removed), 2 usage
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "remove",
        help="take a branch out of the files, and say what is left at the branch",
        description="Shows what goes, removes branches/NAME.yaml once that is confirmed, and says what must be removed "
        'at the branch itself. The hub\'s side goes with the next "pointsman apply". While a rule or a test speaks of '
        "the branch, nothing is removed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", type=named, help="the branch")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--release",
        action="store_true",
        help="also remove its lines of allocations.yaml, when it is gone for good: others may then get what it had",
    )
    add_configuration(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Remove it; 0 if it is gone."""
    from hub.config.allocation import RefusedError
    from hub.config.branch_addition import alone
    from hub.config.branch_removal import plan_removal, take_away

    directory = configuration_of(options, "remove")
    if isinstance(directory, int):
        return directory
    nothing = "nothing was removed"
    try:
        with alone(directory):
            removal = plan_removal(directory, options.name, release=options.release)
        if not options.json:
            print("\n".join(what_goes(directory, removal)), flush=True)
        if not options.yes and not _confirmed(options):
            return REFUSED
        with alone(directory):  # what was shown may be another by now: nobody was kept waiting for the answer
            removal = plan_removal(directory, options.name, release=options.release)
            take_away(directory, removal)
    except RefusedError as refusal:
        return refused(options, directory, refusal.problems, nothing)
    except (OSError, UnicodeDecodeError) as error:
        failed = error if isinstance(error, OSError) else OSError(str(error))
        return refused(options, directory, [unwritable(failed, f"branches/{options.name}.yaml")], nothing)
    if options.json:
        print(json.dumps(as_json(directory, removal), indent=2))
    else:
        print("\n".join(what_next(removal)))
    return DONE


def _confirmed(options: argparse.Namespace) -> bool:
    """Whether somebody at a terminal writes the name again; says why not."""
    if options.json or not sys.stdin.isatty():
        print("pointsman: nothing was removed: nobody can be asked here\n    mend: add --yes", file=sys.stderr)
        return False
    print(f"write {options.name} to remove it: ", end="", flush=True)
    if sys.stdin.readline().strip() == options.name:
        return True
    print("pointsman: nothing was removed", file=sys.stderr)
    return False


def what_goes(directory: Path, removal: Removal) -> Iterator[str]:
    """What is about to be removed, and what stays."""
    yield f"configuration: {directory}"
    yield line("goes", f"{removal.file}{_of(removal)}")
    for tunnel, held in removal.lines.items():
        if removal.allocations is None:
            yield line("stays", f"{tunnel}: {held}   (allocations.yaml; --release frees it)")
        else:
            yield line("goes", f"{tunnel}: {held}   (allocations.yaml)")


def what_next(removal: Removal) -> Iterator[str]:
    """What was done, what is left at the branch, and what comes next."""
    from hub.config.branch_removal import left_at_the_branch

    yield line("removed", removal.file)
    heading = "there"
    for thing in left_at_the_branch(removal):
        yield line(heading, thing)
        heading = ""
    if heading == "":
        yield line("", "remove these at the branch, once the hub has let go of it; until then they do no harm")
    yield step("next", "pointsman plan", "what the hub lets go of")
    yield step("", "pointsman apply", "the hub's side goes: sessions, routes, tunnels")
    if any(tunnel.transport == "wireguard" for tunnel in removal.branch.tunnels):
        yield step("", f"pointsman keys forget {removal.branch.name}", "their keys, when it is gone for good")


def as_json(directory: Path, removal: Removal) -> dict[str, object]:
    """The same, for programs."""
    from hub.config.branch_removal import left_at_the_branch

    lines = {str(tunnel): held for tunnel, held in removal.lines.items()}
    return {
        "configuration": str(directory),
        "branch": removal.branch.name,
        "removed": removal.file,
        "allocations-released": lines if removal.allocations is not None else {},
        "allocations-kept": {} if removal.allocations is not None else lines,
        "left-at-the-branch": list(left_at_the_branch(removal)),
        "problems": [],
    }


def _of(removal: Removal) -> str:
    """What is in it, in a few words."""
    row = removal.branch
    if not row.readable:
        return " (it cannot be read as a branch)"
    tunnels = ", ".join(tunnel.name for tunnel in row.tunnels)
    return f" (AS {row.asn}, {', '.join(row.prefixes)}; tunnels {tunnels})"
