"""`pointsman`: the commands, in the order in which people need them."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from hub.cli import (
    allocate,
    apply,
    branch,
    check,
    confirm,
    doctor,
    drain,
    firewall,
    freeze,
    install,
    keys,
    lab,
    overrides,
    plan,
    policy,
    rollback,
    router,
    run,
    schema,
    status,
    switch,
    tunnels,
    undrain,
    uninstall,
    usual,
    why,
)
from hub.cli.exit_status import DONE, REFUSED

_COMMANDS = (
    *(lab, check, branch, allocate, router, doctor, policy, plan, apply, confirm, rollback, run, status),
    *(why, tunnels, drain, undrain, switch, freeze, overrides, usual, keys, firewall, install, uninstall, schema),
)

_EPILOG = """\
first steps:
  pointsman lab up                build the example network on this machine, in network namespaces
  pointsman status --watch        look at it
  pointsman lab cut bandung/fiber
  pointsman why bandung

exit status: 0 done, 1 refused or found wrong, 2 usage, 3 not running or not reachable, 4 accepted, but not reached yet
"""


def entry() -> None:
    """The console script."""
    raise SystemExit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit status."""
    _show_what_cannot_be_encoded_as_question_marks()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if os.environ.get("POINTSMAN_DEBUG"):
            raise
        print(f"pointsman: a fault of Pointsman itself: {type(error).__name__}: {error}", file=sys.stderr)
        print("    mend: please report it, with what POINTSMAN_DEBUG=1 shows", file=sys.stderr)
        return REFUSED


def _run(arguments: Sequence[str]) -> int:
    try:
        options = parser().parse_args(arguments)
        status: int = options.run(options)
        return status
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # at the interpreter's end it would be too late to find that nobody reads


def _show_what_cannot_be_encoded_as_question_marks() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="pointsman",
        description="Keeps branches reachable when a tunnel dies, in both directions, by BGP policy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"pointsman {_version()}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return top


def _version() -> str:
    try:
        return version("pointsman")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    entry()
