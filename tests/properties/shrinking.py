"""From a row of bytes that fails to the plainest that still does."""

from __future__ import annotations

from collections.abc import Callable

Fails = Callable[[bytes], bool]
SIZES = (128, 32, 8, 2, 1)
"""How many bytes are left out, or made 0, at a time."""
SMALL = (1, 2, 3, 4, 8, 16)


def shrunk(row: bytes, fails: Fails) -> bytes:
    """A row that fails, as short as can be and of bytes as small as can be; zeros at its end are left out."""
    before, best = b"", row.rstrip(b"\0")
    while best != before:
        before = best
        for size in SIZES:
            best = _with_less(best, size, fails)
        best = _with_smaller(best, fails)
    return best


def _with_less(row: bytes, size: int, fails: Fails) -> bytes:
    for start in reversed(range(0, len(row), size)):
        head, cut, tail = row[:start], row[start : start + size], row[start + size :]
        if fails(head + tail):
            row = head + tail
        elif any(cut) and fails(head + bytes(len(cut)) + tail):
            row = head + bytes(len(cut)) + tail
    return row.rstrip(b"\0")


def _with_smaller(row: bytes, fails: Fails) -> bytes:
    for place, present in enumerate(row):
        for less in (each for each in SMALL if each < present):
            plainer = row[:place] + bytes([less]) + row[place + 1 :]
            if fails(plainer):
                row = plainer
                break
    return row
