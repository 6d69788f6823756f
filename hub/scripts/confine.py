"""What holds a policy script: a process that may do next to nothing. This is the boundary, not the look at its text.

No privilege, no new process, no file or socket beyond those that it has, little memory, and an end when the controller
ends. It keeps what its user may read by memory alone: nothing is there to be read.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # prctl(2)
_CAPABILITY_VERSION_3 = 0x20080522  # capset(2)
CPU_SECONDS_A_TURN = 5
"""Processor time after which the kernel ends a worker whose controller does not."""


def confine(memory: int) -> None:
    """Give up privileges, and be limited to so many bytes of memory. To be called before the script is read."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    os.nice(5)  # whoever decides goes before it
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        _lower(limit, 0)
    _lower(resource.RLIMIT_AS, memory)


def seal(descriptors: int) -> None:
    """From here on no file, socket or pipe can be opened: only the first so many descriptors exist."""
    _lower(resource.RLIMIT_NOFILE, descriptors)


def begin_turn() -> None:
    """Set the kernel's own limit of processor time anew, for one question."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS_A_TURN
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _lower(limit: int, value: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # it is lower than that already
        resource.setrlimit(limit, (value, value))
