"""A number for a name: always the same, on every machine and after every restart."""

from __future__ import annotations

from hashlib import blake2b


def steady_number(name: str) -> int:
    """A number from 0 to 2**64-1, evenly spread; `hash()` gives another one in every process."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
