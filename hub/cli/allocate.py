"""`pointsman allocate`: links, ports and hub uplinks for the tunnels that have none."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from hub.cli.where import no_configuration, say

if TYPE_CHECKING:
    from pathlib import Path

    from hub.config.allocate import Allocation
    from policies.model.ids import TunnelId

EXAMPLES = """\
examples:
  pointsman allocate                     after adding a branch
  pointsman allocate --dry-run           only say what it would write

What is written in a branch's file is left alone, and so is every line that is there already.
Exit status: 0 done, 1 the configuration has errors or the file cannot be written, 2 wrong usage.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "allocate",
        help="give new tunnels their link, port and hub uplink",
        description="Give every tunnel that has none its link, its UDP port and its hub uplink, in allocations.yaml.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", nargs="?", help="the configuration (default: here, else /etc/pointsman)")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Allocate; the exit status is 0 if every tunnel has what it needs."""
    from pathlib import Path

    from hub.config.allocation import RefusedError, plan_allocations
    from hub.config.allocations_file import write
    from hub.config.directory import find_directory
    from hub.config.load import ALLOCATIONS

    if (nowhere := no_configuration(args.directory, "allocate")) is not None:
        if args.json:
            return _refused(args, Path.cwd(), [str(nowhere)])
        say(nowhere)
        return 1
    directory = find_directory(args.directory, Path.cwd())
    try:
        plan = plan_allocations(directory)
        if plan.new and not args.dry_run:
            write(directory / ALLOCATIONS, plan.text)
    except RefusedError as problem:
        return _refused(args, directory, [str(found) for found in problem.problems])
    except OSError as problem:
        return _refused(args, directory, [f"{ALLOCATIONS}: cannot be written: {problem.strerror or problem}"])
    _say(args, directory, dict(plan.new))
    return 0


def _refused(args: argparse.Namespace, directory: Path, problems: list[str]) -> int:
    if args.json:
        import json

        print(json.dumps({"configuration": str(directory), "allocated": {}, "problems": problems}, indent=2))
        return 1
    print(f"configuration: {directory}")
    print("\n".join([*problems, "nothing was allocated"]), file=sys.stderr)
    return 1


def _say(args: argparse.Namespace, directory: Path, new: dict[TunnelId, Allocation]) -> None:
    from hub.config.allocations_file import render
    from hub.config.load import ALLOCATIONS

    if args.json:
        import json

        lines = {str(tunnel): allocation_json(allocation) for tunnel, allocation in new.items()}
        print(json.dumps({"configuration": str(directory), "dry-run": args.dry_run, "allocated": lines}, indent=2))
        return
    print(f"configuration: {directory}")
    for tunnel, allocation in new.items():
        print(f"{tunnel}: {render(allocation)}")
    tunnels = f"{len(new)} tunnel{'s' if len(new) != 1 else ''}"
    if not new:
        print("every tunnel has its link and port: nothing to do")
    elif args.dry_run:
        print(f"{tunnels} to allocate; nothing was written")
    else:
        print(f"{tunnels} allocated in {directory / ALLOCATIONS}: commit it with the rest")


def allocation_json(allocation: Allocation) -> dict[str, object]:
    """What a tunnel was given, for programs."""
    made: dict[str, object] = {
        "to": allocation.to,
        "link": str(allocation.link) if allocation.link else None,
        "port": allocation.port,
    }
    if allocation.link_ipv6:
        made["link-ipv6"] = str(allocation.link_ipv6)
    if allocation.loopbacks:
        made["loopbacks"] = str(allocation.loopbacks)
    if allocation.process:
        made["process"] = allocation.process
    return made
