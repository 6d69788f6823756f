"""Programs of this machine that the provisioner asks or has something done by: `nft`, `wg`, `ip`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial

from hub.provisioner.changes import ProvisionError

SECONDS = 10.0
"""How long a program may take: these answer within milliseconds, and one that hangs must not hold up the others."""

Program = Callable[..., str]
"""What runs a program: its words, and `given` as its input; what it says."""


def run_program(*command: str, given: str = "") -> str:
    """Run a program to its end; what it says on standard output. Nothing secret belongs in its words.

    Raises:
        ProvisionError: it is not installed, takes too long, or fails; the text has what it says last.
    """
    name = command[0]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError as error:
        raise ProvisionError(f"{name} is not installed", mend_of(name)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProvisionError(f"{name}: {error}") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise ProvisionError(f"{' '.join(command[:4])}: {said:.300}")
    return done.stdout


def program_in(namespace: str) -> Program:
    """What runs a program in a network namespace that ip-netns(8) knows by this name."""
    return partial(run_program, "ip", "netns", "exec", namespace)


def mend_of(program: str) -> str:
    """How to come by a program."""
    package = {"nft": "nftables", "wg": "wireguard-tools", "ip": "iproute2"}.get(program, program)
    return f"install the package {package}"
