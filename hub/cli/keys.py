"""`pointsman keys`: the keys of WireGuard tunnels, which stay where they are."""

from __future__ import annotations

import argparse

from hub.cli import keys_rotate


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command and its parts."""
    parser = commands.add_parser(
        "keys",
        help="the keys of WireGuard tunnels: exchange them",
        description="The keys of WireGuard tunnels. They are files below the state directory that only root may read.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    keys_rotate.add_rotate(parts)
