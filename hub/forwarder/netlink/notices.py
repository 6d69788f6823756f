"""The kernel's notifications of routes behind a nexthop, silenced for the moment in which many of them move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

COMPAT_MODE = Path("/proc/sys/net/ipv4/nexthop_compat_mode")


class RouteNotices:
    """A RouteNotices is net.ipv4.nexthop_compat_mode of our network namespace (both IP versions; ip-sysctl).

    While it is 1, the kernel makes one notification for every route behind a nexthop that is replaced, and the request
    takes so long: 3 to 7 microseconds a route. Who reads the routes sees the interface of the nexthop all the same.
    """

    def __init__(self, path: Path = COMPAT_MODE) -> None:
        self._file: int | None = None
        with suppress(OSError):  # an old kernel, or /proc/sys is read-only: then it takes its time
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """No notifications of routes within the block, if that can be had; afterwards it is as it was."""
        file = self._file
        if file is None or os.pread(file, 1, 0) != b"1":
            yield
            return
        os.pwrite(file, b"0", 0)
        try:
            yield
        finally:
            os.pwrite(file, b"1", 0)

    def close(self) -> None:
        """Give back the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
