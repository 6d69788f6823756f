"""Profiles by name: how often a tunnel is asked, how many misses make it dead, and how often its health is probed."""

from __future__ import annotations

from datetime import timedelta

PROFILES: dict[str, tuple[timedelta, int]] = {
    "fast": (timedelta(milliseconds=50), 3),
    "normal": (timedelta(milliseconds=100), 3),
    "relaxed": (timedelta(seconds=1), 5),
}
"""Interval and multiplier, in the configuration and on the command line of the lab."""

PROBE_RATES: dict[str, tuple[timedelta, timedelta]] = {
    "fast": (timedelta(milliseconds=50), timedelta(seconds=1)),
    "normal": (timedelta(milliseconds=200), timedelta(seconds=1)),
    "relaxed": (timedelta(seconds=1), timedelta(seconds=5)),
}
"""How often the health of a tunnel is probed: while it carries traffic, and while it only stands by."""

PATH_MTU_EVERY = timedelta(minutes=5)
"""How often it is seen whether full-size packets pass a tunnel on which they passed the last time."""

METERED_IDLE_PROBING = timedelta(seconds=10)
"""How often that of a metered tunnel is, while it only stands by: every byte is paid for, and nobody waits for it."""
