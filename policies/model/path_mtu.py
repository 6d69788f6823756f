"""path_mtu: what a look at the size of packets that pass a tunnel has found."""

from __future__ import annotations

from dataclasses import dataclass

LOOKS_TO_BE_SURE = 2
"""Looks in a row, after which packets of full size are known not to pass; in each of them small ones did."""


@dataclass(frozen=True, slots=True)
class PathMtu:
    """A PathMtu says whether packets of `size` bytes pass: None, it can't be told. `works` is the largest that does.

    `looks` is how many looks in a row said that they do not: one look alone is no verdict.
    """

    size: int
    ok: bool | None
    works: int | None = None
    looks: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether they are known not to pass."""
        return self.ok is False and self.looks >= LOOKS_TO_BE_SURE
