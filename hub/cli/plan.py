"""`pointsman plan`: what the files would change, before anything is done."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from hub.cli.asking import add_question, asked
from hub.cli.only_tunnels import add_only, plan_tunnels

PATIENCE_SECONDS = 50.0
"""Reading a thousand branches takes some seconds, and a provisioner that hangs is waited for 20 s."""

_EPILOG = """\
examples:
  pointsman plan                      what the running hub's directory says, against what is in force
  pointsman plan /tmp/proposal        what another directory would change
  pointsman plan --rollback           what "pointsman rollback" would change
  pointsman plan --only tunnels       what would be done to tunnels, uplinks and filters alone
  pointsman plan --json | jq .totals

exit status: 0 done, 1 the files have errors, 2 usage, 3 no hub is running
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "plan",
        brief="what the changed files would do, before anything is done",
        description="Compares the configuration's files with what is in force: which branches come, go, change and "
        "move, why and when, what they are told, and which sessions, by the health of now. It changes nothing.",
        epilog=_EPILOG,
    )
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="default: the running hub's own")
    parser.add_argument("--rollback", action="store_true", help="of the configuration before the present one instead")
    add_only(parser)
    parser.set_defaults(run=lambda options: run(options, parser))


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the plan."""
    if options.rollback and options.directory is not None:
        parser.error("--rollback is of the configuration before the present one, not of a directory")
    if options.only is not None:
        if options.rollback:
            parser.error("--only tunnels is about the files, not about what was before them")
        return plan_tunnels(options, options.directory)
    question: dict[str, Any] = {"ask": "plan", **({"back": True} if options.rollback else {})}
    if options.directory is not None:
        question["directory"] = str(options.directory.absolute())
    report = asked(options, question, PATIENCE_SECONDS, absent='"pointsman check" looks at the files alone')
    if isinstance(report, int):
        return report
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    from hub.cli.render_plan import plan_view
    from hub.cli.same_hub import same_hub_view
    from hub.cli.screen import show

    view = plan_view(report, proposal=options.directory is not None, back=options.rollback)
    show(same_hub_view(view, options))
    return 0
