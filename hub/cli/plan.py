"""`pointsman plan`: what the files would change, before anything is done."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from hub.cli.where import add_running_hub, not_running_mend, running_hub

PATIENCE_SECONDS = 30.0
"""Reading a thousand branches takes some seconds."""

_EPILOG = """\
examples:
  pointsman plan                      what the running hub's directory says, against what is in force
  pointsman plan /tmp/proposal        what another directory would change
  pointsman plan --json | jq .totals

exit status: 0 done, 1 the files have errors, 2 usage, 3 no hub is running
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "plan",
        help="what the changed files would do, before anything is done",
        description="Compares the configuration's files with what is in force: which branches come, go, change and "
        "move, and which sessions. It changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="default: the running hub's own")
    parser.add_argument("--json", action="store_true", help="print the data instead")
    add_running_hub(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    question: dict[str, Any] = {"ask": "plan"}
    if options.directory is not None:
        question["directory"] = str(options.directory.absolute())
    report = asked(options, question, PATIENCE_SECONDS)
    if isinstance(report, int):
        return report
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    from hub.cli.render_plan import plan_view
    from hub.cli.screen import show

    show(plan_view(report, proposal=options.directory is not None))
    return 0


def asked(options: argparse.Namespace, question: dict[str, Any], patience: float) -> dict[str, Any] | int:
    """The controller's answer, or the exit status after saying why there is none."""
    from hub.control.client import NotRunningError, RefusedError, ask_controller

    try:
        return ask_controller(running_hub(options).control_socket, question, patience)
    except NotRunningError as error:
        print(f"pointsman: no controller is running here: {error}", file=sys.stderr)
        print(f'    mend: {not_running_mend(options)}; "pointsman check" looks at the files alone', file=sys.stderr)
        return 3
    except RefusedError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
