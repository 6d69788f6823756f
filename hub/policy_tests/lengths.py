"""Times of a test as they are written in one."""

from __future__ import annotations

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def length(seconds: float) -> str:
    """`66.4s` up to ten minutes, where tenths matter; `2h 3m` above, in at most three units."""
    if seconds < 600:
        return f"{seconds:.1f}s".replace(".0s", "s")
    parts, rest = [], round(seconds)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:3])
