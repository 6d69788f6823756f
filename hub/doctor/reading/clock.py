"""The clocks of this machine, and its time zones."""

from __future__ import annotations

import ctypes
import time
import zoneinfo
from collections.abc import Iterable

from hub.doctor.facts import Clock, Unseen

_STATUS_AT, _UNSYNCHRONIZED = 40, 0x40
"""Offset of `status` in struct timex of a 64-bit machine, and STA_UNSYNC (adjtimex(2))."""
_TIMEX_SIZE = 256
_ERROR_STATE = 5
"""TIME_ERROR, which adjtimex returns for a clock that is not synchronized."""


def read(zones: Iterable[str]) -> Clock:
    """The clocks, and which of these zones are missing."""
    slept = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    return Clock(time.time(), slept, _synchronized(), tuple(zone for zone in zones if not _has(zone)))


def _synchronized() -> bool | Unseen:
    """What the kernel knows; it is asked without a change (`modes` 0), which needs no privilege."""
    if ctypes.sizeof(ctypes.c_long) != 8:
        return Unseen("not known how on a 32-bit machine")
    buffer = ctypes.create_string_buffer(_TIMEX_SIZE)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError) as error:
        return Unseen(str(error))
    if state < 0:
        return Unseen("the kernel does not say")
    status = int.from_bytes(buffer.raw[_STATUS_AT : _STATUS_AT + 4], "little")
    return state != _ERROR_STATE and not status & _UNSYNCHRONIZED


def _has(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
