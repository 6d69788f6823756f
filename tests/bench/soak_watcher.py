"""A watcher that sees the whole machine freeze: it shares nothing with what is measured but the machine.

It sleeps 5 ms at a time (clock_nanosleep) and reads CLOCK_MONOTONIC before and after. A freeze is two readings that
follow each other and lie 50 ms or more apart; it lasts from the first to the second. It runs above every process of
the hub (SCHED_FIFO 90; the hub's highest is SCHED_RR 3) with its memory locked, so that no work here, ours or
other's, is taken for a freeze; where it may not, the first line says so.

The machine is frozen when the watcher that is bound to no processor sees a gap. One more is bound to each processor:
what only these see is a freeze of one processor (or of some), which is told but explains nothing.

    python soak_watcher.py [--processor N]        one line of JSON a freeze, until it is ended
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import signal
import sys
import time
from typing import NoReturn

SLEEP = 0.005
FREEZE = 0.050
PRIORITY = 90
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
    _say(processor=processor, real_time=_first(), locked=locked)
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


def _first() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
