"""`pointsman confirm`: keep a configuration that would go back by itself."""

from __future__ import annotations

import argparse
import json

from hub.cli.asking import add_question, asked
from hub.cli.exit_status import DONE

PATIENCE_SECONDS = 60.0
"""It waits for an apply that is still at work."""

_EPILOG = """\
examples:
  pointsman confirm                   what was applied with --confirm-within stays
  pointsman confirm 7f3a91c2          only if it is that plan's configuration

exit status: 0 done, 1 refused (nothing waits to be confirmed, or something else), 2 usage, 3 no hub is running
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "confirm",
        brief="keep what was applied with --confirm-within",
        description="Keeps the configuration that was applied with --confirm-within, which goes back by itself "
        'otherwise. "pointsman status" says until when.',
        epilog=_EPILOG,
    )
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="the plan's number (default: whatever waits)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Confirm it."""
    busy = '"pointsman status" says whether it still waits to be confirmed'
    report = asked(options, {"ask": "confirm", "plan": options.plan}, PATIENCE_SECONDS, busy=busy)
    if isinstance(report, int):
        return report
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print(f"configuration {report['configuration']['plan']} stays in force")
    return DONE
