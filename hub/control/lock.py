"""One process of a kind in a runtime directory: it holds a lock on a file there, which ends with the process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class AlreadyRunningError(RuntimeError):
    """Another process serves this runtime directory; the text names it, and the mend."""


def hold(path: Path, what: str) -> int:
    """Take the lock, for as long as the descriptor that is returned stays open.

    Raises:
        AlreadyRunningError: another process has it; `what` it is says the text, as in "a forwarder".
        OSError: the directory is not there or not ours.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AlreadyRunningError(f"{what} is running already (it holds {path}): stop it first") from error
    return descriptor
