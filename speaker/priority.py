"""Real-time priority that gives way: a process that is busy for long becomes an ordinary one for a while.

`SCHED_RR` (sched(7)) lets a process go before all ordinary ones. A hub that has hundreds of sessions to take up again
is busy for seconds, and the routers and tunnels on the same machine must not stand still meanwhile. The kernel tells
with SIGXCPU when the soft limit of RLIMIT_RTTIME is reached (getrlimit(2)).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading

ORDINARY_FOR = 5.0
"""Seconds after which a process that gave way takes its priority back, if RLIMIT_RTPRIO lets it."""
BUSY_MICROSECONDS = 300_000
"""Processor time without once waiting, after which a process with real-time priority gives way."""


def give_way_when_busy() -> None:
    """Let SIGXCPU make this process an ordinary one for some seconds. To be called in the main thread."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    main = os.getpid()

    def take_back() -> None:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(main, policy, parameters)

    def give_way(_number: int, _frame: object) -> None:
        nonlocal policy, parameters
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            return
        policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        later = threading.Timer(ORDINARY_FOR, take_back)
        later.daemon = True
        later.start()

    signal.signal(signal.SIGXCPU, give_way)
    _, most = resource.getrlimit(resource.RLIMIT_RTTIME)
    if most == resource.RLIM_INFINITY or most > BUSY_MICROSECONDS:
        resource.setrlimit(resource.RLIMIT_RTTIME, (BUSY_MICROSECONDS, most))
