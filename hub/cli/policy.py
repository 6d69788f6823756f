"""`pointsman policy`: what policies do, found out without a network."""

from __future__ import annotations

import argparse

from hub.cli import policy_simulate, policy_test


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command, with its parts."""
    parser = commands.add_parser(
        "policy",
        help="try policies on a virtual clock: test, simulate",
        description="Tries policies on a virtual clock, without a network or a running hub.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    policy_test.add(parts)
    policy_simulate.add(parts)
