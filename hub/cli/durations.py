"""Lengths of time as people read them."""

from __future__ import annotations

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def ago(seconds: float) -> str:
    """`2m 10s`, `3h 2m`, `12d`: at most two units, none smaller than a second."""
    rest = max(0, int(seconds))
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == 2 or (parts and unit == "d" and count >= 10):
            break
    return " ".join(parts) or "0s"
