"""What root believes was written by root: the state directory is open to other users of Pointsman too.

And the number by which our routes and rules are known on the machine.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

PROTOCOL = 199
"""Of the provisioner's routes and rules (rtnetlink(7)): not the forwarder's, nor any that iproute2 has a name for."""


def is_ours(file: Path) -> bool:
    """Whether a file is one that this user has written, and nobody else may: others write in its directory too.

    Raises:
        OSError: it is not there.
    """
    found = file.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def write_ours(path: Path, text: str, *, mode: int = 0o600, lasts: bool = False) -> None:
    """Write a file beside, which nobody can have put there, and rename it; `lasts`: it is on the disk by then.

    Raises:
        OSError: it cannot be written; the one before stays.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if lasts:
            os.fsync(file.fileno())
    fresh.replace(path)
