"""Real-time priority that gives way: a process that is busy for long becomes an ordinary one for a while.

`SCHED_RR` (sched(7)) lets a process go before all ordinary ones. A hub that has hundreds of sessions to take up again
is busy for seconds, and the routers and tunnels on the same machine must not stand still meanwhile. The kernel tells
with SIGXCPU when the soft limit of RLIMIT_RTTIME is reached (getrlimit(2)). Some seconds later it takes its priority
back, where RLIMIT_RTPRIO allows that (a unit's LimitRTPRIO=); else whoever started it gives it back.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import resource
import signal
import time
from _thread import start_new_thread

BUSY_MICROSECONDS = 300_000
"""Processor time without once waiting, after which a process with real-time priority gives way."""
ORDINARY_SECONDS = 5.0
"""How long it then stays an ordinary one."""


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


def _take_back(thread: int, policy: int, priority: int) -> None:
    """The main thread, whose number is the process's, has its priority again after a while."""
    time.sleep(ORDINARY_SECONDS)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(thread, policy, os.sched_param(priority))


def _give_way(_number: int, _frame: object) -> None:
    # Without CAP_SYS_NICE a process may leave its priority, but not take this flag off.
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    os.sched_setscheduler(0, os.SCHED_OTHER | policy & os.SCHED_RESET_ON_FORK, os.sched_param(0))
    allowed, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if priority and (allowed == resource.RLIM_INFINITY or allowed >= priority):
        start_new_thread(_take_back, (os.getpid(), policy, priority))  # threading's own is not safe in a handler
    # The kernel has raised the soft limit by a second, so that it does not signal at once again.
    _arm()
