"""`pointsman apply`: do what a plan showed."""

from __future__ import annotations

import argparse
import contextlib
import json
from typing import Any

from hub.cli.asking import add_question, asked
from hub.cli.exit_status import DONE, NOT_ALL_YET
from hub.cli.firewall import connected_from
from hub.cli.only_tunnels import add_only, apply_tunnels
from hub.cli.where import running_hub
from hub.control.places import Places

JUDGED_SECONDS = 30.0
"""How long ExaBGP may take to judge the configuration of one process; the controller asks for one after the other."""
MADE_SECONDS = 140.0
"""How long the provisioner may take to make tunnels, and to undo that."""
DONE_SECONDS = 60.0
"""What comes after that: to withdraw and close, until ExaBGP has it, and until traffic has left tunnels that go."""

_EPILOG = """\
examples:
  pointsman plan && pointsman apply 7f3a91c2
  pointsman apply                     whatever the files say now
  pointsman apply 7f3a91c2 --force    although a guard speaks against it
  pointsman apply 7f3a91c2 --confirm-within 5m
                                      goes back by itself unless "pointsman confirm" comes by then
  sudo pointsman apply --only tunnels
                                      tunnels, uplinks and filters alone, also where no hub runs yet

exit status: 0 done, 1 refused (nothing was changed), 2 usage, 3 no hub is running, 4 in force, but not all of it yet
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "apply",
        brief="do what a plan showed",
        description="Puts the changed files in force, all or nothing. A plan that is no longer what would happen is "
        "refused. Sessions of branches that do not change stay up; a tunnel that goes is left by its traffic first.",
        epilog=_EPILOG,
    )
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="the plan's number (default: whatever the files say)")
    parser.add_argument("--force", action="store_true", help="although a guard speaks against it")
    parser.add_argument(
        "--confirm-within",
        metavar="5m",
        type=confirm_within,
        help='go back to what is in force now, unless "pointsman confirm" comes within this time (10s to 7d)',
    )
    add_only(parser)
    parser.set_defaults(run=run)


def confirm_within(text: str) -> str:
    """The same, if it is a length of time in which somebody can confirm."""
    from hub.config.scalars import UnreadableError
    from hub.control.confirm_within import read_confirm_within

    try:
        read_confirm_within(text)
    except UnreadableError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def patience(places: Places) -> float:
    """Seconds: longer than the controller takes at most, should the change need one more ExaBGP process than now."""
    configured = {1}
    with contextlib.suppress(OSError):  # where there is no hub, nobody is waited for
        configured |= places.configured_processes()
    return MADE_SECONDS + JUDGED_SECONDS * (1 + len(configured)) + DONE_SECONDS


def run(options: argparse.Namespace) -> int:
    """Apply, and say how it ended."""
    if options.only is not None:
        return apply_tunnels(options)
    question: dict[str, Any] = {"ask": "apply", "plan": options.plan, "force": options.force}
    if (source := connected_from()) is not None:
        question["source"] = source
    if options.confirm_within is not None:
        question["confirm_within"] = options.confirm_within
    whether = '"pointsman plan" says whether it was applied: then nothing would change'
    return carried_out(options, question, whether)


def carried_out(options: argparse.Namespace, question: dict[str, Any], busy: str) -> int:
    """Have the configuration changed, and say how it ended; the exit status."""
    absent = '"pointsman check" looks at the files alone'
    report = asked(options, question, patience(running_hub(options)), absent=absent, busy=busy)
    if isinstance(report, int):
        return report
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        from hub.cli.render_plan import applied_view
        from hub.cli.same_hub import same_hub_view
        from hub.cli.screen import show

        show(same_hub_view(applied_view(report), options))
    return NOT_ALL_YET if report["waiting"] or report["problems"] else DONE
