"""`pointsman tunnels`: the tunnels themselves, as they are on this machine."""

from __future__ import annotations

import argparse
import json

from hub.cli.asking import add_question, say_fault
from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED
from hub.cli.where import running_hub

PATIENCE_SECONDS = 20.0

_EPILOG = """\
examples:
  pointsman tunnels
  pointsman tunnels bandung           those of one branch
  pointsman tunnels --json | jq '.targets["bandung/fiber"]'
  pointsman plan --only tunnels       what would be made, changed and removed

exit status: 0 done, 1 something is amiss, 2 usage, 3 no provisioner is running
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "tunnels",
        brief="the tunnels themselves: made of what, by which uplink, to whom, how old their keys are",
        description="Shows each tunnel's interface, what it is made of, the uplink it is pinned to, its far end, its "
        "last handshake or its SA, its bytes and the age of its keys; and what verification found amiss.",
        epilog=_EPILOG,
    )
    parser.add_argument("branch", nargs="?", metavar="BRANCH", help="only this branch's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print them."""
    from hub.control.client import NotRunningError, RefusedError, ask_controller
    from hub.control.provisioner_silence import START, silence

    try:
        report = ask_controller(running_hub(options).provisioner_socket, {"ask": "status"}, PATIENCE_SECONDS)
    except NotRunningError as error:
        text, mend = silence(error)
        say_fault(options, text, f'{mend}; or "pointsman plan --only tunnels"' if mend == START else mend)
        return NOT_RUNNING
    except RefusedError as error:
        return say_fault(options, str(error))
    if options.branch is not None:
        report["targets"] = {t: f for t, f in report["targets"].items() if t.partition("/")[0] == options.branch}
        if not report["targets"]:
            return say_fault(options, f"{options.branch} has no tunnel here: pointsman tunnels names them all")
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        from hub.cli.render_tunnels import tunnels_view
        from hub.cli.same_hub import same_hub_view
        from hub.cli.screen import show

        show(same_hub_view(tunnels_view(report), options))
    amiss = report["refused"] or report["failed"] or [f for f in report["findings"] if not f["repaired"]]
    return REFUSED if amiss else DONE
