"""Processes, from /proc (proc(5)): the hub's own by their pid files, and those that manage networks."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from hub.doctor.checks.processes import is_ours
from hub.doctor.facts import PidFile, Process

_WATCHED = frozenset({"systemd-network", "NetworkManager", "bird", "bird6", "zebra", "bgpd", "bfdd", "gobgpd"})
"""As the kernel has their names: 15 characters at most (systemd-networkd is longer)."""
_REAL_TIME = frozenset({os.SCHED_RR, os.SCHED_FIFO})


def process(pid: int) -> Process | None:
    """A process as far as it can be seen; None when there is none."""
    place = Path(f"/proc/{pid}")
    try:
        status = (place / "status").read_text(errors="replace")
        command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if fields.get("State", "").startswith("Z"):
        return None
    return Process(
        pid=pid,
        name=fields.get("Name", "?"),
        command=command,
        capabilities=int(fields.get("CapEff", "0"), 16),
        real_time=_is_real_time(pid),
        open_files=_open_files(place),
        elsewhere=_is_elsewhere(place),
    )


def _is_real_time(pid: int) -> bool:
    try:
        policy = os.sched_getscheduler(pid)
    except OSError:
        return False
    return policy & ~os.SCHED_RESET_ON_FORK in _REAL_TIME


def _open_files(place: Path) -> int | None:
    with suppress(OSError):
        found = re.search(r"^Max open files\s+(\d+)", (place / "limits").read_text(), re.MULTILINE)
        return int(found.group(1)) if found else None
    return None


def _is_elsewhere(place: Path) -> bool:
    """Whether it is in another network namespace; what may not be seen is taken to be here."""
    with suppress(OSError):
        return (place / "ns/net").stat().st_ino != Path("/proc/self/ns/net").stat().st_ino
    return False


def pid_files(run: Path) -> tuple[PidFile, ...]:
    """The pid files of a runtime directory, each with its process if it is still that one."""
    try:
        return tuple(_pid_file(path) for path in sorted(run.glob("*.pid")))
    except OSError:
        return ()


def _pid_file(path: Path) -> PidFile:
    try:
        pid = int(path.read_text().strip())
    except (OSError, ValueError):
        return PidFile(path.stem, None)
    there = process(pid)
    return PidFile(path.stem, pid, there if there and is_ours(path.stem, there.command) else None)


def daemons() -> tuple[Process, ...]:
    """Programs in this network namespace that manage networks or routes."""
    found = []
    for pid in all_pids():
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text(errors="replace").strip() in _WATCHED:
                found.append(process(pid))
    return tuple(each for each in found if each is not None and not each.elsewhere)


def all_pids() -> list[int]:
    """Every process that can be seen."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208  names are enough


def may_be_real_time() -> bool:
    """Whether real-time priority is to be had: tried on this process, and given back at once."""
    if _is_real_time(0):
        return True
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.sched_setscheduler(0, before, os.sched_param(0))
    except OSError:
        return False
    return True
