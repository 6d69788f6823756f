"""`pointsman lab shell`: a command inside one machine of the lab."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.lab.names import LabPlace


def shell(args: argparse.Namespace, place: LabPlace) -> int:
    """Become a command, or a shell, inside one machine of the lab, where `pointsman` finds the lab's hub."""
    from hub.lab import record
    from hub.lab.disturbances import meant
    from hub.lab.hub_processes import hub_environment
    from hub.lab.names import LabError
    from hub.lab.namespaces import inside

    lab = record.load(place)
    node = args.node.replace("isp:", "isp-", 1)
    if node not in lab.network.nodes():
        nodes = lab.network.nodes()
        raise LabError(f'"{args.node}" is not in this lab: {meant(node, nodes)}the machines are {", ".join(nodes)}')
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    command = command or [os.environ.get("SHELL", "/bin/sh")]
    here = str(Path(sys.executable).parent)
    environment = {**os.environ, **hub_environment(place, lab.configuration)}
    environment["PATH"] = os.pathsep.join([here, environment["PATH"]])
    arguments = inside(place, node, command)
    sys.stdout.flush()
    os.execvpe(arguments[0], arguments, environment)  # noqa: S606 - becomes that command


def take_name(args: argparse.Namespace) -> None:
    """`shell NODE --name X`: argparse gives all that is behind NODE to the command, but no command is called --name."""
    first, *rest = args.command or [""]
    if first == "--name" and rest:
        args.name, args.command = rest[0], rest[1:]
    elif first.startswith("--name="):
        args.name, args.command = first.removeprefix("--name="), rest
