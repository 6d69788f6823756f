"""When a process started: with its number that is unique, also when the number is used again. For the relay."""

from __future__ import annotations

from pathlib import Path


def started(pid: int) -> int:
    """When a process started, in the kernel's ticks (proc(5), field 22); 0 when it is not there."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(after_name.split()[19])
    except (OSError, ValueError, IndexError):
        return 0
