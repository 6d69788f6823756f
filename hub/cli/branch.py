"""`pointsman branch`: the branches of a configuration: add one, list them, remove one."""

from __future__ import annotations

import argparse

from hub.cli import branch_add, branch_list, branch_remove


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command, with its parts."""
    parser = commands.add_parser(
        "branch",
        help="add a branch to the configuration, list them, remove one",
        description="Works on the files of a configuration alone: what the network does is changed by "
        '"pointsman apply", and shown before by "pointsman plan".',
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    branch_add.add(parts)
    branch_list.add(parts)
    branch_remove.add(parts)
