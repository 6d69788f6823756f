"""What the commands that ask the running hub have in common: their options, and what they say when nobody answers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from hub.cli.exit_status import NOT_RUNNING, REFUSED
from hub.cli.where import add_running_hub, not_running_mend, running_hub

if TYPE_CHECKING:
    from hub.control.client import NotRunningError


def add_question(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    *,
    brief: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Register a command that asks a running hub: which one, and whether its data is wanted instead of text."""
    parser = commands.add_parser(
        name,
        help=brief,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the data instead")
    add_running_hub(parser)
    return parser


def asked(
    options: argparse.Namespace, question: dict[str, Any], patience: float, *, absent: str = "", busy: str = ""
) -> dict[str, Any] | int:
    """The controller's answer, or the exit status after saying why there is none within `patience` seconds.

    `absent` and `busy` are what helps meanwhile.
    """
    from hub.control.client import NotRunningError, RefusedError, ask_controller

    try:
        return ask_controller(running_hub(options).control_socket, question, patience)
    except NotRunningError as error:
        return say_no_answer(options, error, absent=absent, busy=busy)
    except RefusedError as error:
        return say_fault(options, str(error))


def say_no_answer(options: argparse.Namespace, error: NotRunningError, *, absent: str = "", busy: str = "") -> int:
    """Say whether nobody is there, or somebody who does not answer in time, and what to do; the exit status."""
    from hub.control.client import BusyError

    if isinstance(error, BusyError):
        text, mends = f"the controller is running, but {error}", (_BUSY_MEND, busy)
    else:
        part = "controller" if running_hub(options).forwarder_socket.is_socket() else "hub"
        text, mends = f"no {part} is running here: {error}", (not_running_mend(options), absent)
    say_fault(options, text, "; ".join(filter(None, mends)))
    return NOT_RUNNING


def say_fault(options: argparse.Namespace, text: str, mend: str = "") -> int:
    """Say what went wrong, and the mend if there is one, whose commands name the same hub; the exit status."""
    from hub.cli.same_hub import same_hub

    print(same_hub(f"pointsman: {text}", options), file=sys.stderr)
    if mend:
        print(same_hub(f"    mend: {mend}", options), file=sys.stderr)
    return REFUSED


_BUSY_MEND = "ask again; if it stays so, end the controller's process: it is started again, and no traffic notices"
