"""`pointsman switch`, `unswitch` and `failback`: say by hand which tunnel a branch is to use."""

from __future__ import annotations

import argparse

from hub.cli.saying import add_reason, add_saying, add_times, show_done

_Commands = argparse._SubParsersAction

_SWITCH = """\
  pointsman switch solo --to wireless --for 7d --reason "fiber is slow in the evening"
  pointsman switch solo --to fiber --until "2026-11-29 08:00"
"""
_UNSWITCH = """\
  pointsman unswitch solo
"""
_FAILBACK = """\
  pointsman failback bandung
"""


def add(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Register the three commands."""
    switch = add_saying(
        commands,
        "switch",
        brief="prefer one tunnel of a branch, without editing files",
        description="Prefers one tunnel of a branch to what its policy says, made before broken. It is left as any "
        "other when it is bad, and a drain comes before it. A new switch takes the place of the one before.",
        examples=_SWITCH,
    )
    switch.add_argument("branch", metavar="BRANCH")
    switch.add_argument("--to", required=True, metavar="TUNNEL", help="the tunnel to prefer, as fiber or solo/fiber")
    add_times(switch)
    add_reason(switch)
    switch.set_defaults(run=run_switch)
    unswitch = add_saying(
        commands,
        "unswitch",
        brief="let the policy decide again",
        description="Ends the switch of a branch: its policy decides again.",
        examples=_UNSWITCH,
    )
    unswitch.add_argument("branch", metavar="BRANCH")
    unswitch.set_defaults(run=run_unswitch)
    failback = add_saying(
        commands,
        "failback",
        brief="let a branch go back to its preferred tunnel now",
        description="Says the word for which a policy with failback manual waits. The word counts for ten minutes: a "
        "tunnel that is not fit to carry by then is not gone back to.",
        examples=_FAILBACK,
    )
    failback.add_argument("branch", metavar="BRANCH")
    failback.set_defaults(run=run_failback)


def run_switch(options: argparse.Namespace) -> int:
    """Prefer the tunnel."""
    question = {
        "ask": "switch",
        "branch": options.branch,
        "to": options.to,
        "for": options.lasts,
        "until": options.until,
        "reason": options.reason,
    }
    return show_done(options, question, "said")


def run_unswitch(options: argparse.Namespace) -> int:
    """End the switch."""
    return show_done(options, {"ask": "unswitch", "branch": options.branch}, "ended")


def run_failback(options: argparse.Namespace) -> int:
    """Say the word."""
    return show_done(options, {"ask": "failback", "branch": options.branch}, "said")
