"""`pointsman freeze` and `unfreeze`: no moves but failover."""

from __future__ import annotations

import argparse

from hub.cli.saying import add_reason, add_saying, add_times, show_done

_Commands = argparse._SubParsersAction

_FREEZE = """\
  pointsman freeze --for 3h --reason "end of the year's accounts"
  pointsman freeze
"""
_UNFREEZE = """\
  pointsman unfreeze
  pointsman unfreeze 7                   where there are several: the one of that number
"""


def add(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    freeze = add_saying(
        commands,
        "freeze",
        brief="stop all moves but failover",
        description="No branch moves to another tunnel any more, unless the one that it is on dies.",
        examples=_FREEZE,
    )
    add_times(freeze)
    add_reason(freeze)
    freeze.set_defaults(run=run_freeze)
    unfreeze = add_saying(
        commands,
        "unfreeze",
        brief="let branches move again",
        description="Ends a freeze.",
        examples=_UNFREEZE,
    )
    unfreeze.add_argument("number", nargs="?", type=int, metavar="NUMBER", help="the freeze of this number")
    unfreeze.set_defaults(run=run_unfreeze)


def run_freeze(options: argparse.Namespace) -> int:
    """Freeze."""
    question = {"ask": "freeze", "for": options.lasts, "until": options.until, "reason": options.reason}
    return show_done(options, question, "said")


def run_unfreeze(options: argparse.Namespace) -> int:
    """End a freeze."""
    return show_done(options, {"ask": "unfreeze", "number": options.number}, "ended")
