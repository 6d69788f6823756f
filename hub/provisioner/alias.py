"""The mark that our interfaces carry, of whatever kind: their alias (`ip link set X alias …`, IFLA_IFALIAS)."""

from __future__ import annotations

from dataclasses import dataclass

_WORD = "pointsman"


@dataclass(frozen=True, slots=True)
class Alias:
    """An Alias says whose an interface is: a network of Pointsman, and its tunnel in it, like `bandung/fiber`."""

    network: str
    tunnel: str

    def __str__(self) -> str:
        return f"{_WORD} {self.network} {self.tunnel}"


def is_ours(network: str, text: str | None) -> bool:
    """Whether an interface with this alias is this network's."""
    alias = read_alias(text or "")
    return alias is not None and alias.network == network


def read_alias(text: str) -> Alias | None:
    """Whose an interface with this alias is; None if it is not Pointsman's."""
    word, _, rest = text.partition(" ")
    network, _, tunnel = rest.rpartition(" ")
    return Alias(network, tunnel) if word == _WORD and network and "/" in tunnel else None
