"""Liveness by name: how often a tunnel is asked, and how many misses make it dead."""

from __future__ import annotations

from datetime import timedelta

PROFILES: dict[str, tuple[timedelta, int]] = {
    "fast": (timedelta(milliseconds=50), 3),
    "normal": (timedelta(milliseconds=100), 3),
    "relaxed": (timedelta(seconds=1), 5),
}
"""Interval and multiplier, in the configuration and on the command line of the lab."""
