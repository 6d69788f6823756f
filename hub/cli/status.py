"""`pointsman status`: the whole hub on one screen."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from hub.cli.asking import add_question, say_fault, say_no_answer
from hub.cli.exit_status import DONE, REFUSED
from hub.cli.where import lab_of, running_hub

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hub.cli.problems import Problem

PATIENCE_SECONDS = 3.0

_EPILOG = """\
examples:
  pointsman status
  pointsman status --watch
  pointsman status --name second         the hub of the lab of that name
  pointsman status --problems            what is wrong, worst first; exit status 1 if anything is
  pointsman status --json | jq '.branches[] | select(.on != .preferred)'

exit status: 0 done (with --problems: nothing is wrong), 1 with --problems: something is, 3 no hub is running
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "status",
        brief="every branch, its tunnels and what is wrong",
        description="Shows every branch, the tunnel that it is on, its tunnels, and what is wrong. "
        "When the controller is dead the forwarder is asked. With --problems only what is wrong, in this order: "
        "isolated branches, tunnels that are down, degraded ones, branches with one path left, drained tunnels, "
        "branches off a better tunnel, faults.",
        epilog=_EPILOG,
    )
    parser.add_argument("--watch", action="store_true", help="show it again every second until interrupted")
    parser.add_argument("--problems", action="store_true", help="only what is wrong, worst first")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the status once, or again and again."""
    if not options.watch:
        return _once(options)[1]
    if sys.stdout.isatty() and not options.json:
        return _watch(options)
    while True:
        answered, status = _once(options)
        if not answered:
            return status
        time.sleep(1)


def _once(options: argparse.Namespace) -> tuple[bool, int]:
    """Whether anybody answered, and the exit status."""
    from hub.control.client import NotRunningError, RefusedError

    try:
        report = _ask(options)
    except NotRunningError as error:
        return False, say_no_answer(options, error)
    except RefusedError as error:
        return False, say_fault(options, str(error))
    found = _problems(report, options)
    if options.json:
        print(json.dumps(_data(report, found, options), indent=None if options.watch else 2), flush=True)
    else:
        from hub.cli.screen import show

        show(_view(report, found, options))
    return True, REFUSED if found else DONE


def _problems(report: dict[str, Any], options: argparse.Namespace) -> tuple[Problem, ...]:
    from hub.cli.problems import problems

    return problems(report) if options.problems else ()


def _data(report: dict[str, Any], found: tuple[Problem, ...], options: argparse.Namespace) -> dict[str, Any]:
    if not options.problems:
        return report
    return {"at": report["at"], "problems": [problem.to_json() for problem in found]}


def _view(report: dict[str, Any], found: tuple[Problem, ...], options: argparse.Namespace) -> RenderableType:
    from hub.cli.render_problems import problems_view
    from hub.cli.render_status import status_view
    from hub.cli.same_hub import same_hub_view

    view = problems_view(found, report) if options.problems else status_view(report, lab_of(running_hub(options)))
    return same_hub_view(view, options)


def _watch(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from hub.control.client import NotRunningError, RefusedError

    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            try:
                report = _ask(options)
                found = _problems(report, options)
                live.update(_view(report, found, options), refresh=True)
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
