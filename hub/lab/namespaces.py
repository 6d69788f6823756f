"""Namespaces of the running system: what there is, what runs in them, and how a command gets into one."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from hub.lab.names import LabError, LabPlace

NAMED_NAMESPACES = Path("/run/netns")
_DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""What we wait for must not go on building when we are killed: the next command begins by looking what is there."""
_ENTER = 'mount --bind "$0" /run/wireguard; [ ! -d "$1" ] || mount --bind "$1" /run/frr; shift; exec "$@"'


def inside(place: LabPlace, node: str, command: Sequence[str]) -> list[str]:
    """The command as it has to be started to run in a node; it sees that node's WireGuard and FRR, and no others.

    `ip netns exec` gives it mounts of its own, so the bind mounts are nobody else's.
    """
    own = [str(place.wireguard(node)), str(place.frr(node))]
    return ["ip", "netns", "exec", place.namespace(node), "sh", "-ec", _ENTER, *own, *command]


PATIENCE = 180.0
"""Seconds that a step may take: on an emulated machine the hub alone needs a minute to start."""


def run_inside(place: LabPlace, node: str, script: str, *, doing: str = "setting up", timeout: float = PATIENCE) -> str:
    """Run a shell script in a node, to its end; what it printed. `doing` is what an error says was tried on the node.

    Raises:
        LabError: it failed; the text has the first line that it wrote on stderr.
    """
    return run(inside(place, node, ["sh", "-e"]), what=f"{doing} {node}", text=script, timeout=timeout)


def run(command: Sequence[str], *, what: str, text: str | None = None, timeout: float = PATIENCE) -> str:
    """Run a program to its end, `text` on its stdin; what it printed.

    Raises:
        LabError: it failed, or is not there, or took longer than `timeout` seconds.
    """
    stdin = subprocess.DEVNULL if text is None else None
    try:
        done = subprocess.run(
            [*_DIE_WITH_US, *command],
            input=text,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise LabError(f"{what}: cannot start {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{what}: {shlex.join(command[:4])} … did not end in {timeout:g} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise LabError(f"{what}: {lines[0]}")
    return done.stdout


def existing(place: LabPlace) -> list[str]:
    """The names of this lab's namespaces that are there now."""
    try:
        names = [path.name for path in NAMED_NAMESPACES.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name.startswith(place.namespace_prefix))


def processes(namespaces: Iterable[str]) -> list[int]:
    """The processes that run in these namespaces, found by what the kernel says of each and not by a remembered id."""
    wanted = {identity for name in namespaces if (identity := _identity(NAMED_NAMESPACES / name))}
    numbered = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in numbered if _identity(entry / "ns" / "net") in wanted]


def _identity(namespace: Path) -> tuple[int, int] | None:
    try:
        status = namespace.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def remove(names: Sequence[str], *, patience: float = 10) -> None:
    """End everything in these namespaces, then the namespaces; what is in them goes with them.

    Raises:
        LabError: something could not be ended in `patience` seconds.
    """
    deadline = time.monotonic() + patience
    own = os.getpid()
    while left := [pid for pid in processes(names) if pid != own]:
        if time.monotonic() > deadline:
            raise LabError(f"process {left[0]} in the lab's namespaces does not end: end it by hand, then: lab down")
        for pid in left:
            _kill(pid)
        time.sleep(0.02)
    if names:
        batch = "".join(f"netns delete {name}\n" for name in names)
        run(["ip", "-force", "-batch", "-"], what="removing namespaces", text=batch)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
