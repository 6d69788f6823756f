"""`plan` and `apply` with `--only tunnels`: the tunnels of the files, their uplinks and filters, and nothing else.

A running hub's controller is asked, which has tunnels removed itself when nothing uses them any more. Without one the
provisioner is, and where none runs, root does the same here: that is how tunnels come up before there is a hub.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.asking import say_fault
from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED
from hub.cli.firewall import connected_from
from hub.cli.where import no_configuration, running_hub, say

if TYPE_CHECKING:
    from hub.control.places import Places
    from hub.provisioner.wanted import Wanted

PATIENCE_SECONDS = 140.0
"""Two hundred tunnels take half a minute where the kernel has no WireGuard, and a controller waits 120 s for the
provisioner: what it says of that then is heard."""


def add_only(parser: argparse.ArgumentParser) -> None:
    """The options of a command that can be about tunnels alone."""
    parser.add_argument("--only", choices=["tunnels"], help="the tunnels themselves, and nothing of routing")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="with --only, where no provisioner runs: its state directory"
    )


def plan_tunnels(options: argparse.Namespace, directory: Path | None) -> int:
    """Print what would be done to tunnels."""
    from hub.cli.render_tunnels import tunnel_plan_view

    report = _asked(options, directory, {"ask": "plan"})
    if isinstance(report, int):
        return report
    _show(options, report, tunnel_plan_view(report, alone=True, proposal=directory is not None))
    return REFUSED if report["refused"] and not report["changes"] else DONE


def apply_tunnels(options: argparse.Namespace) -> int:
    """Do it. Tunnels are removed only with `--force`: a whole apply does that when nothing uses them any more."""
    from hub.cli.render_tunnels import tunnel_outcome_view

    question = {"ask": "apply", "plan": options.plan, "force": options.force, "source": connected_from()}
    question["grow_only"] = not options.force  # whether something still uses a tunnel nobody can say here
    report = _asked(options, None, question)
    if isinstance(report, int):
        return report
    _show(options, report, tunnel_outcome_view(report))
    return REFUSED if report["failed"] or report["refused"] else DONE


def _show(options: argparse.Namespace, report: dict[str, Any], view: Any) -> None:
    from hub.cli.same_hub import same_hub_view
    from hub.cli.screen import show

    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(same_hub_view(view, options))


def _asked(options: argparse.Namespace, directory: Path | None, question: dict[str, Any]) -> dict[str, Any] | int:
    from hub.control.client import BusyError, NotRunningError, RefusedError, ask_controller
    from hub.control.plain import to_plain

    places = running_hub(options)
    try:
        if places.control_socket.is_socket():
            named = {} if directory is None else {"directory": str(directory.absolute())}
            asked = {**question, **named, "ask": f"{question['ask']}-tunnels"}
            return ask_controller(places.control_socket, asked, PATIENCE_SECONDS)
        wanted = _wanted(directory)
        if wanted is None:
            return REFUSED
        if question["ask"] == "apply" and not question["force"] and (why := _locked(wanted, question)) is not None:
            print(f"pointsman: {why}. Use --force to do it all the same", file=sys.stderr)
            return REFUSED
        if places.provisioner_socket.is_socket():
            asked = {**question, "wanted": to_plain(wanted)}
            return ask_controller(places.provisioner_socket, asked, PATIENCE_SECONDS)
        return _here(options, places, wanted, question)
    except NotRunningError as error:
        is_busy = isinstance(error, BusyError)
        say_fault(options, f"the hub is running, but {error}" if is_busy else f"nobody answers: {error}")
        return NOT_RUNNING
    except RefusedError as error:
        return say_fault(options, str(error))


def _locked(wanted: Wanted, question: dict[str, Any]) -> str | None:
    from hub.provisioner.firewall.plan import locks_out

    return locks_out(wanted, question["source"])


def _here(
    options: argparse.Namespace, places: Places, wanted: Wanted, question: dict[str, Any]
) -> dict[str, Any] | int:
    """The same without a provisioner's process."""
    from dataclasses import replace

    from hub.control.client import RefusedError
    from hub.control.lock import AlreadyRunningError
    from hub.control.plain import to_plain
    from hub.provisioner.asks import Asks
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.one_network import hold_machine
    from hub.provisioner.remembered import Remembered
    from hub.provisioner.slices import parts_of

    if os.geteuid() != 0:
        print("pointsman: no provisioner runs here, and tunnels are made by root", file=sys.stderr)
        print("    mend: systemctl start pointsman-provisioner, or repeat this with sudo", file=sys.stderr)
        return NOT_RUNNING
    if options.state_dir is not None:
        places = replace(places, state=options.state_dir)
    places.state.mkdir(mode=0o750, parents=True, exist_ok=True)
    parts = parts_of(places)
    asks = Asks(parts.provisioner, Remembered(places.provisioner_state), lambda text: print(text, file=sys.stderr))
    try:
        with hold_machine(places.state):
            answer = asks.answer({**question, "wanted": to_plain(wanted)})
    except AlreadyRunningError as error:
        raise RefusedError(str(error)) from error
    except ProvisionError as error:
        raise RefusedError(f"{error}\n    mend: {error.mend}") from error
    if "error" in answer:
        raise RefusedError(str(answer["error"]))
    found: dict[str, Any] = answer["answer"]
    return found


def _wanted(directory: Path | None) -> Wanted | None:
    """What the files want; None after saying what is wrong with them."""
    from hub.cli.check import as_text
    from hub.config import read
    from hub.config.directory import find_directory
    from hub.provisioner.from_intent import wanted_of

    if (nowhere := no_configuration(directory, "plan --only tunnels")) is not None:
        say(nowhere)
        return None
    configuration = read(find_directory(directory, Path.cwd()))
    if configuration.intent is None:
        print(as_text(configuration, colour=sys.stderr.isatty()), file=sys.stderr)
        return None
    return wanted_of(configuration.intent)
