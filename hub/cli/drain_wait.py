"""Waiting for a drain: it is asked again and again how far it is, and each step is said when it is reached."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from hub.cli.durations import day_and_time
from hub.cli.exit_status import DONE, NOT_ALL_YET
from hub.cli.render_overrides import listed, named
from hub.cli.same_hub import same_hub
from hub.cli.saying import Report, line
from hub.cli.where import running_hub
from hub.control.client import NotRunningError, RefusedError, ask_controller

TIMEOUT_SECONDS = 60.0
_ASK_EVERY = 0.2
_PATIENCE_SECONDS = 3.0
_INTERRUPTED = 130


@dataclass
class Steps:
    """A Steps says what a drain has reached, once each; on a terminal also what it waits for.

    `carried` are the tunnels that carried traffic when it was said, at `begun` of the monotonic clock.
    `said` makes of a line what is printed.
    """

    carried: list[str]
    quiet: bool
    begun: float
    moved: bool = False
    said: Callable[[str], str] = str

    def show(self, report: Report) -> None:
        """What is new."""
        if self.quiet:
            return
        if report["moved"] and not self.moved:
            self._say(line("moving", f"{_moved(report, self.carried)} .... {time.monotonic() - self.begun:.1f} s"))
        self.moved = report["moved"]
        if report["safe"]:
            idle = min(one["idle_for"] for one in report["tunnels"])
            names = listed(one["tunnel"] for one in report["tunnels"])
            self._say(line("idle", f"0 packets on {names} for {idle:.1f} s, both directions"))
            self._say(_safe(report))
        else:
            self._show_missing(report)

    def clear(self) -> None:
        """Take away what it waits for."""
        if not self.quiet and sys.stdout.isatty():
            print("\r\x1b[K", end="", flush=True)

    def _say(self, text: str) -> None:
        self.clear()
        print(self.said(text), flush=True)

    def _show_missing(self, report: Report) -> None:
        if sys.stdout.isatty():
            step = "idle" if report["moved"] else "moving"
            text = line(step, f"{_missing(report)} .... {time.monotonic() - self.begun:.0f} s")
            print(f"\r\x1b[K{text[:100]}", end="", flush=True)


def wait(options: argparse.Namespace, drain: Report, steps: Steps, timeout: float | None) -> int:
    """Wait until the drain is reached; the exit status."""
    report: Report = {}
    try:
        report = until_reached(options, drain["number"], steps, timeout)
    except KeyboardInterrupt:
        steps.clear()
        text = f"pointsman: drain {drain['number']} stays in force: pointsman undrain {drain['number']} ends it"
        print(same_hub(text, options), file=sys.stderr)
        return _INTERRUPTED
    except RefusedError as error:
        steps.clear()
        from hub.cli.asking import say_fault

        return say_fault(options, str(error))
    except NotRunningError as error:
        from hub.cli.asking import say_no_answer

        steps.clear()
        return say_no_answer(options, error)
    steps.clear()
    if options.json:
        print(json.dumps(report, indent=2))
    if report["safe"]:
        return DONE
    _say_not_reached(report, time.monotonic() - steps.begun, options)
    return NOT_ALL_YET


def until_reached(options: argparse.Namespace, number: int, steps: Steps, timeout: float | None) -> Report:
    """The last answer: it is reached, or can't be, or the time is over.

    Raises:
        RefusedError: there is no such drain any more.
        NotRunningError: the controller did not answer for all of the time.
    """
    socket = running_hub(options).control_socket
    while True:
        try:
            report = ask_controller(socket, {"ask": "drain", "number": number}, _PATIENCE_SECONDS)
        except NotRunningError:
            if time.monotonic() - steps.begun >= (timeout if timeout is not None else TIMEOUT_SECONDS):
                raise
        else:
            steps.show(report)
            patience = timeout if timeout is not None else TIMEOUT_SECONDS + _rolls_out(report["override"])
            no_use = report["moved"] and not report["counting"]
            if report["safe"] or no_use or time.monotonic() - steps.begun >= patience:
                return report
        time.sleep(_ASK_EVERY)


def _rolls_out(drain: Report) -> float:
    """The seconds until a drain at a rate has come to its last branch."""
    branches = len({tunnel.partition("/")[0] for tunnel in drain["tunnels"]})
    return 60.0 * (branches - 1) / drain["rate"] if drain["rate"] else 0.0


def _moved(report: Report, carried: list[str]) -> str:
    tunnels = report["tunnels"]
    if len(tunnels) != 1:
        branches = {one["tunnel"].partition("/")[0] for one in tunnels}
        seen = f"{len(branches)} branches" if len(branches) != 1 else branches.pop()
        return f"{seen} seen to use other tunnels"
    tunnel, to = tunnels[0]["tunnel"], tunnels[0]["to"]
    branch = tunnel.partition("/")[0]
    return f"{to} made better; {branch} seen to use it" if tunnel in carried else f"{branch} seen to use {to}"


def _missing(report: Report) -> str:
    """What is waited for: of many tunnels the first, and how many more."""
    waiting = [one for one in report["tunnels"] if one["missing"]]
    unmoved = [one for one in waiting if not one["moved"]] or waiting
    if not unmoved:
        return "no tunnel of that name is configured any more"
    more = f" (and {len(unmoved) - 1} more)" if len(unmoved) > 1 else ""
    return f"{unmoved[0]['tunnel']}: {unmoved[0]['missing']}{more}"


def _safe(report: Report) -> str:
    """That it is, and what ends the drain: by its number where the target names several."""
    drain, others = report["override"], report["same_target"]
    target = drain["target"]
    by = str(drain["number"]) if others else target
    undrain = f"pointsman undrain {by}"
    stand = f"; {_standing(others)}" if others else ""
    if not drain["until"]:
        return f"safe to work on {target} (when it is done: {undrain}{stand})"
    until, longer = day_and_time(drain["until"], report["at"]), f"pointsman drain {by} --extend 1h"
    return f"safe to work on {target} until {until} (sooner: {undrain}; longer: {longer}{stand})"


def _standing(others: list[int]) -> str:
    if len(others) == 1:
        return f"drain {others[0]} stands too"
    return f"drains {', '.join(map(str, others[:-1]))} and {others[-1]} stand too"


def why_not_reached(report: Report, seconds: float) -> str:
    """Why it is not safe to work after so many seconds, by the last answer."""
    if report["moved"] and not report["counting"]:
        return "its traffic has moved, but nobody counts its packets"
    return f"it is not safe to work after {seconds:.0f} s: {_missing(report)}"


def _say_not_reached(report: Report, seconds: float, options: argparse.Namespace) -> None:
    drain, why = report["override"], why_not_reached(report, seconds)
    if report["moved"] and not report["counting"]:
        text, mend = f"in force and {why}", "see for yourself that it is idle before the work"
    else:
        branch = next((one["tunnel"] for one in report["tunnels"] if one["missing"]), "").partition("/")[0]
        text = f"in force, but {why}"
        mend = f'"pointsman drain {drain["number"]}" waits on; "pointsman why {branch}" says what it does now'
    print(f"pointsman: {named(drain)} is {text}", file=sys.stderr)
    print(same_hub(f"    mend: {mend}", options), file=sys.stderr)
