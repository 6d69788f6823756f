"""Whether what root believes was written by root: the state directory is open to other users of Pointsman too."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def is_ours(file: Path) -> bool:
    """Whether a file is one that this user has written, and nobody else may: others write in its directory too.

    Raises:
        OSError: it is not there.
    """
    found = file.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
