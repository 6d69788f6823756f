"""A lab for an ordinary user: all of it inside one user namespace, kept open by a holder process.

The holder is the first process of a PID namespace: when it ends, everything of the lab ends with it. Commands enter
its namespaces and are root there, and nowhere else. The holder is found by its arguments, so nothing has to be
remembered about it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from hub.lab.names import HOME_VARIABLE, LabError, LabPlace
from hub.lab.record import locked

_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child")
_HOLD = """\
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/wireguard /run/lock
ip link set lo up
echo ready
exec >/dev/null 2>&1
while :; do sleep 3600 & wait; done
"""
_ENTER_AT = 'cd "$0" && exec env --default-signal=INT "$@"'


def needed(user_id: int) -> bool:
    """Whether this user needs a holder."""
    return user_id != 0


def run_this_command(place: LabPlace, *, create: bool) -> int:
    """Run the present command line again inside the lab's user namespace; its exit status.

    Args:
        place: the lab, as seen from outside.
        create: make the namespace if it is not there; it is ended again if no lab was finished in it.

    Raises:
        LabError: there is none, or this system does not allow one.
    """
    holder = find(place)
    if holder is None and create:
        with locked(place):
            _start(place)
        holder = find(place)
    if holder is None:
        raise LabError(f'no lab "{place.name}" is up here')
    command = [sys.executable, *sys.orig_argv[1:]]
    environment = {**os.environ, HOME_VARIABLE: str(place.home)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command inside: nsenter and we wait for it
    try:
        return subprocess.run(_entering(holder, command), env=environment, check=False).returncode
    finally:
        if create and not place.record.exists():
            end(place)


def _entering(holder: int, command: list[str]) -> list[str]:
    namespaces = ["--user", "--net", "--mount", "--pid", "--target", str(holder)]
    return ["nsenter", "--preserve-credentials", *namespaces, "sh", "-c", _ENTER_AT, str(Path.cwd()), *command]


def find(place: LabPlace) -> int | None:
    """The process id of the lab's holder."""
    wanted = _marker(place)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            arguments = _arguments(entry)
            if arguments[:1] == ["sh"] and arguments[-1] == wanted:
                return int(entry.name)
    return None


def end(place: LabPlace) -> bool:
    """End the holder, and with it every process of the lab, and remove its directory; False if there was nothing.

    Raises:
        LabError: it does not end.
    """
    found = place.directory.exists()
    deadline = time.monotonic() + 10
    while (holder := find(place)) is not None:
        found = True
        if time.monotonic() > deadline:
            raise LabError(f"process {holder}, which holds the lab, does not end: end it by hand")
        os.kill(holder, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(place.directory, ignore_errors=True)
    place.lock.unlink(missing_ok=True)
    return found


def _marker(place: LabPlace) -> str:
    return f"pointsman-lab-holder:{place.directory}"


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _start(place: LabPlace) -> None:
    command = [*_UNSHARE, "--propagation", "private", "sh", "-ec", _HOLD, _marker(place)]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except FileNotFoundError as error:
        raise LabError("missing for a lab: unshare: apt-get install util-linux") from error
    if process.stdout is None:
        return
    with process.stdout:
        said = process.stdout.readline().decode(errors="replace").strip()
    if said != "ready":
        process.wait()
        raise LabError(_refused(said))
    process.returncode = 0  # it is meant to outlive us: nobody waits for it


def _refused(said: str) -> str:
    return (
        f"this system does not let this user make namespaces ({said or 'no reason given'}): use sudo, or sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu) or kernel.unprivileged_userns_clone=1 (Debian)"
    )
