"""`pointsman why`: why a branch is on the tunnel it is on."""

from __future__ import annotations

import argparse
import json
import sys

from hub.cli.where import add_running_hub, not_running_mend, running_hub

_EPILOG = """\
examples:
  pointsman why bandung
  pointsman why bandung --json
  pointsman why bandung --name second    in the lab of that name
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "why",
        help="why a branch is on its tunnel, and what would change it",
        description="Explains one branch: its tunnels, their ranking, what it was told and uses, what the kernel does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("branch", metavar="BRANCH")
    parser.add_argument("--json", action="store_true", help="print the data instead")
    add_running_hub(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the explanation."""
    from hub.control.client import NotRunningError, RefusedError, ask_controller

    places = running_hub(options)
    try:
        report = ask_controller(places.control_socket, {"ask": "why", "branch": options.branch})
    except NotRunningError as error:
        forwarder = places.forwarder_socket.is_socket()
        print(f"pointsman: no {'controller' if forwarder else 'hub'} is running here: {error}", file=sys.stderr)
        meanwhile = '; "pointsman status" asks the forwarder meanwhile' if forwarder else ""
        print(f"    mend: {not_running_mend(options)}{meanwhile}", file=sys.stderr)
        return 3
    except RefusedError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    from hub.cli.render_why import why_view
    from hub.cli.screen import show

    show(why_view(report))
    return 0
