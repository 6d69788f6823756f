"""From a row of bytes that fails to the plainest that still does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

SIZES = (128, 32, 8, 2, 1)
"""Of what is left out, and of what is made 0, at a time."""
ENOUGH = 20_000
"""Rows that are tried at most."""


def shrunk(row: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A row that fails, as short as can be and of bytes as small as can be; zeros at its end are left out."""
    best, left = row.rstrip(b"\0"), ENOUGH
    shrinks = True
    while shrinks and left > 0:
        shrinks = False
        for plainer in _plainer(lambda: best):
            left -= 1
            if left <= 0:
                break
            if plainer != best and fails(plainer):
                best, shrinks = plainer.rstrip(b"\0"), True
    return best


def _plainer(present: Callable[[], bytes]) -> Iterator[bytes]:
    """Rows that are a little plainer than the present one, which changes meanwhile."""
    for size in SIZES:
        for start in reversed(range(0, len(present()), size)):
            row = present()
            yield row[:start] + row[start + size :]
            row = present()
            yield row[:start] + bytes(len(row[start : start + size])) + row[start + size :]
    for place in range(len(present())):
        for smaller in (1, 2, 3, 4, 8, 16):
            row = present()
            if place < len(row) and smaller < row[place]:
                yield row[:place] + bytes([smaller]) + row[place + 1 :]
