"""`pointsman status`: the whole hub on one screen."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from hub.cli.asking import add_question, say_no_answer
from hub.cli.where import lab_of, running_hub

PATIENCE_SECONDS = 3.0

_EPILOG = """\
examples:
  pointsman status
  pointsman status --watch
  pointsman status --name second         the hub of the lab of that name
  pointsman status --json | jq '.branches[] | select(.on != .preferred)'
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "status",
        brief="every branch, its tunnels and what is wrong",
        description="Shows every branch, the tunnel that it is on, its tunnels, and what is wrong. "
        "When the controller is dead the forwarder is asked.",
        epilog=_EPILOG,
    )
    parser.add_argument("--watch", action="store_true", help="show it again every second until interrupted")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the status once, or again and again."""
    if not options.watch:
        return _once(options)
    if sys.stdout.isatty() and not options.json:
        return _watch(options)
    while (status := _once(options)) == 0:
        time.sleep(1)
    return status


def _once(options: argparse.Namespace) -> int:
    from hub.control.client import NotRunningError, RefusedError

    try:
        report = _ask(options)
    except NotRunningError as error:
        return say_no_answer(options, error)
    except RefusedError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=None if options.watch else 2), flush=True)
        return 0
    from hub.cli.render_status import status_view
    from hub.cli.screen import show

    show(status_view(report, lab_of(running_hub(options))))
    return 0


def _watch(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from hub.cli.render_status import status_view
    from hub.control.client import NotRunningError, RefusedError

    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            try:
                live.update(status_view(_ask(options), lab_of(running_hub(options))), refresh=True)
            except (NotRunningError, RefusedError) as error:
                live.update(Text(f"no answer: {error}", style="red"), refresh=True)
            time.sleep(1)


def _ask(options: argparse.Namespace) -> dict[str, Any]:
    """The controller's report; the forwarder's snapshot, marked as such, when there is no controller."""
    from hub.control.client import BusyError, NotRunningError, ask_controller, ask_forwarder

    places = running_hub(options)
    try:
        return ask_controller(places.control_socket, {"ask": "status"}, PATIENCE_SECONDS)
    except NotRunningError as no_controller:
        try:
            snapshot = ask_forwarder(places.forwarder_socket)
        except NotRunningError:
            raise no_controller from None
        busy = isinstance(no_controller, BusyError)
        return {"controller": False, "busy": busy, "forwarder": True, "at": time.strftime("%FT%T%z"), **snapshot}
