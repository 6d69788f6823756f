"""A watcher that sees the whole machine freeze: it shares nothing with what is measured but the machine.

It sleeps 5 ms at a time (clock_nanosleep) and reads CLOCK_MONOTONIC before and after. A freeze is two readings that
follow each other and lie 50 ms or more apart; it lasts from the first to the second. It runs before every other
program, with its memory locked, so that no work here, ours or other's, is taken for a freeze: as SCHED_DEADLINE,
because the kernel takes 50 ms of a second from SCHED_FIFO when real-time programs leave nothing to the others
(sched(7)). Where it may not, the first line says so.

The machine is frozen when the watcher that is bound to no processor sees a gap. One more is bound to each processor:
what only these see is a freeze of one processor (or of some), which is told but explains nothing. The kernel binds no
SCHED_DEADLINE program, so these are SCHED_FIFO, before everything else that is.

    python soak_watcher.py [--processor N]        one line of JSON a freeze, until it is ended
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import signal
import struct
import sys
import time
from typing import NoReturn

SLEEP = 0.005
FREEZE = 0.050
_PRIORITY = 90
_SCHED_DEADLINE = 6
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""struct sched_attr of sched_setattr(2): size, policy, flags, nice, priority, and runtime, deadline, period in ns."""
_ALL_MEMORY = 1 | 2
"""MCL_CURRENT and MCL_FUTURE of mlockall(2)."""


def main() -> NoReturn:
    """Watch until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processor", type=int)
    processor = parser.parse_args().processor
    signal.signal(signal.SIGTERM, _end)
    if processor is not None:
        os.sched_setaffinity(0, {processor})
    gc.disable()
    locked = ctypes.CDLL(None).mlockall(_ALL_MEMORY) == 0
    first = (processor is None and _deadline()) or _fifo()
    _say(processor=processor, scheduling=first, locked=locked)
    _watch()


def _watch() -> NoReturn:
    before = time.monotonic()
    while True:
        time.sleep(SLEEP)
        after = time.monotonic()
        if after - before >= FREEZE:
            _say(begins=before, ends=after)
            after = time.monotonic()  # the time of writing is no freeze
        before = after


def _deadline() -> str:
    """One millisecond of every five, before all others; empty if this is not allowed."""
    number = _SCHED_SETATTR.get(os.uname().machine)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, _SCHED_DEADLINE, 0, 0, 0, 1_000_000, 5_000_000, 5_000_000)
    done = number is not None and ctypes.CDLL(None).syscall(number, 0, attributes, 0) == 0
    return "deadline" if done else ""


def _fifo() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError:
        return "other"
    return "fifo"


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
