"""Real-time priority that gives way: a process that is busy for long becomes an ordinary one for a while.

`SCHED_RR` (sched(7)) lets a process go before all ordinary ones. A hub that has hundreds of sessions to take up again
is busy for seconds, and the routers and tunnels on the same machine must not stand still meanwhile. The kernel tells
with SIGXCPU when the soft limit of RLIMIT_RTTIME is reached (getrlimit(2)); whoever started the process gives it its
priority back.
"""

from __future__ import annotations

import atexit
import os
import resource
import signal

BUSY_MICROSECONDS = 300_000
"""Processor time without once waiting, after which a process with real-time priority gives way."""


def give_way_when_busy() -> None:
    """Let SIGXCPU make this process an ordinary one. To be called in the main thread."""
    signal.signal(signal.SIGXCPU, _give_way)
    atexit.register(_disarm)
    _arm()


def _arm() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_RTTIME)
    if most == resource.RLIM_INFINITY or most > BUSY_MICROSECONDS:
        resource.setrlimit(resource.RLIMIT_RTTIME, (BUSY_MICROSECONDS, most))


def _disarm() -> None:
    """Python takes its handlers back before it tidies up at its end: from here on the signal would end the process."""
    _, most = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (most, most))


def _give_way(_number: int, _frame: object) -> None:
    # Without CAP_SYS_NICE a process may leave its priority, but not take this flag off.
    flag = os.sched_getscheduler(0) & os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(0, os.SCHED_OTHER | flag, os.sched_param(0))
    # The kernel has raised the soft limit by a second, so that it does not signal at once again.
    _arm()
