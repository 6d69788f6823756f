"""`pointsman overrides`: every drain, switch and freeze, and what is scheduled, in one list."""

from __future__ import annotations

import argparse
import json

from hub.cli.exit_status import DONE
from hub.cli.saying import add_saying, say

_EXAMPLES = """\
  pointsman overrides
  pointsman overrides --all              also those that are over, with who ended them
  pointsman overrides --json | jq '.overrides[] | select(.kind == "drain")'
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_saying(
        commands,
        "overrides",
        brief="every drain, switch and freeze, and what is scheduled",
        description="Lists what operators said at the command line, beside the files: number, what, from when until "
        "when, who and why.",
        examples=_EXAMPLES,
        status="exit status: 0 done, 1 refused, 2 usage, 3 no hub is running",
    )
    parser.add_argument("--all", action="store_true", help="also those that are over")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show them."""
    report = say(options, {"ask": "overrides", "all": options.all})
    if isinstance(report, int):
        return report
    if options.json:
        print(json.dumps(report, indent=2))
        return DONE
    from hub.cli.render_overrides import overrides_view
    from hub.cli.same_hub import same_hub_view
    from hub.cli.screen import show

    view = overrides_view(report, every=options.all)
    # A list has no commands of ours in it, but reasons, which stay as they were said.
    show(view if report["overrides"] else same_hub_view(view, options))
    return DONE
