"""What is written on the command line of `pointsman lab`: targets, lengths of time, losses, and its examples."""

from __future__ import annotations

import argparse

EXAMPLES = """\
examples:
  pointsman lab up                                the eight branches that come with Pointsman
  pointsman lab up my-network --timers fast       your own configuration directory
  pointsman lab cut bandung/fiber                 silently, inside the ISP: no link goes down
  pointsman lab cut isp:telkom --direction to-hub
  pointsman lab degrade bandung/fiber --loss 5% --delay 80ms
  pointsman lab probe bandung --for 10s           loss and outages, both ways
  pointsman lab heal all
  pointsman lab shell hub -- pointsman status
  pointsman lab down
"""


def add_target(parser: argparse.ArgumentParser) -> None:
    """What is disturbed, and which way."""
    parser.add_argument("target", metavar="TARGET", help="bandung/fiber, bandung, isp:telkom or hub:telkom")
    ways = ("to-branch", "to-hub", "both")
    parser.add_argument("--direction", choices=ways, default="both", help="which way (default: both)")


def timers_help() -> str:
    """What each word of --timers means."""
    from hub.lab_overrides import TIMERS
    from policies.lengths import in_seconds

    named = (f"{name} {in_seconds(each.total_seconds())} x {count}" for name, (each, count) in TIMERS.items())
    return f"liveness of every tunnel: {', '.join(named)}; default: as written"


def duration_seconds(text: str) -> float:
    """Seconds.

    Raises:
        argparse.ArgumentTypeError: it is no number with a unit.
    """
    from policies.lengths import NoLengthError, read

    try:
        return read(text).total_seconds()
    except NoLengthError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def loss_share(text: str) -> float:
    """From 0 to 1.

    Raises:
        argparse.ArgumentTypeError: it is no percentage from 0% to 100%.
    """
    from hub.lab.disturbances import fraction

    try:
        return fraction(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
