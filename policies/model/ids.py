"""What a tunnel is called, and what a prefix is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Prefix = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def lies_within(prefix: Prefix, others: Iterable[Prefix]) -> bool:
    """Whether the prefix is one of the others, or a part of one."""
    return any(
        prefix.version == other.version and prefix.subnet_of(other)  # type: ignore[arg-type]
        for other in others
    )


@dataclass(frozen=True, slots=True, order=True)
class TunnelId:
    """A TunnelId names one tunnel between this hub and a branch; written `bandung/fiber`."""

    branch: str
    name: str

    def __hash__(self) -> int:
        """Of two strings, which remember theirs: a decision looks tunnels up tens of times."""
        return hash(self.name) ^ hash(self.branch)

    def __str__(self) -> str:
        return f"{self.branch}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> TunnelId:
        """Read `branch/tunnel`.

        Raises:
            ValueError: the text has not exactly one slash with something on both sides.
        """
        branch, slash, name = text.partition("/")
        if not (branch and slash and name) or "/" in name:
            raise ValueError(f'"{text}" is not a tunnel: write branch/tunnel, for example bandung/fiber')
        return cls(branch, name)
