"""`pointsman undrain`: bring drained tunnels back into service."""

from __future__ import annotations

import argparse

from hub.cli.saying import add_saying, show_done

_EXAMPLES = """\
  pointsman undrain bandung/fiber
  pointsman undrain 5                    the drain of that number in "pointsman overrides"
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_saying(
        commands,
        "undrain",
        brief="bring drained tunnels back into service",
        description="Ends a drain, or calls one off that is scheduled. Traffic comes back by health and hold, as to "
        "any tunnel that was away; what another drain means too stays drained.",
        examples=_EXAMPLES,
    )
    parser.add_argument("target", metavar="TARGET|NUMBER", help="a drain, by what it drains or by its number")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """End the drain."""
    return show_done(options, {"ask": "undrain", "target": options.target}, "ended")
