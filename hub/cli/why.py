"""`pointsman why`: why a branch is on the tunnel it is on."""

from __future__ import annotations

import argparse
import json

from hub.cli.asking import add_question, asked
from hub.cli.where import running_hub

PATIENCE_SECONDS = 3.0

_EPILOG = """\
examples:
  pointsman why bandung
  pointsman why bandung --prefix 10.0.10.0/24   of a prefix of the hub, or an address: which rule steers it, and where
  pointsman why bandung --prefix 10.1.0.0/24    of a prefix of the branch: which classes of the kernel forward it
  pointsman why bandung --json
  pointsman why bandung --name second    in the lab of that name
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "why",
        brief="why a branch is on its tunnel, and what would change it",
        description="Explains one branch as one tree: what is seen of its tunnels, their health, their ranking, what "
        "the branch was told and uses, what the kernel does, and what would change that, and not before when.",
        epilog=_EPILOG,
    )
    parser.add_argument("branch", metavar="BRANCH")
    parser.add_argument("--prefix", metavar="P", help="only what concerns this prefix of the hub or of the branch")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the explanation."""
    meanwhile = '"pointsman status" asks the forwarder meanwhile'
    there = running_hub(options).forwarder_socket.is_socket()
    question = {"ask": "why", "branch": options.branch}
    if options.prefix is not None:
        question["prefix"] = options.prefix
    report = asked(options, question, PATIENCE_SECONDS, absent=meanwhile if there else "", busy=meanwhile)
    if isinstance(report, int):
        return report
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    from hub.cli.render_why import why_view
    from hub.cli.same_hub import same_hub_view
    from hub.cli.screen import show

    show(same_hub_view(why_view(report), options))
    return 0
