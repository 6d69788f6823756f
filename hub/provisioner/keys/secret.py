"""A secret text that shows itself nowhere by accident."""

from __future__ import annotations

import hmac


class Secret:
    """A Secret is a key, or what somebody wrote into a file of one; it can't be pickled.

    What it is is had by `reveal` and `reveal_bytes` only, which are easy to search for.
    """

    __slots__ = ("_octets",)

    def __init__(self, text: str | bytes) -> None:
        self._octets = text if isinstance(text, bytes) else text.encode()

    def reveal(self) -> str:
        """The text of a key of WireGuard, for a file or a program's standard input, and nothing else."""
        return self._octets.decode()

    def reveal_bytes(self) -> bytes:
        """The octets, whatever they are, for a daemon's socket or a digest, and nothing else."""
        return self._octets

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash(self._octets)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")
