"""The state and runtime directories: room, and leave to write."""

from __future__ import annotations

import os
from pathlib import Path

from hub.doctor.facts import Directory, Unseen


def read(path: Path, *, root: bool) -> Directory:
    """A directory as this user sees it; nothing is written there."""
    try:
        found = os.statvfs(path)
    except (FileNotFoundError, NotADirectoryError):
        return Directory(str(path), exists=False)
    except OSError:
        return Directory(str(path), writable=Unseen())
    allowed = os.access(path, os.W_OK | os.X_OK)
    return Directory(
        path=str(path),
        read_only=bool(found.f_flag & os.ST_RDONLY),
        writable=allowed or (False if root else Unseen()),
        # For root there is more room (f_bfree) than for others (f_bavail), and the forwarder may not be root.
        free_bytes=found.f_bavail * found.f_frsize,
        free_files=found.f_favail if found.f_files else None,
    )
