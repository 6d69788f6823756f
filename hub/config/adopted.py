"""Tunnels that somebody else made (`existing`): what must be written of them, because nobody here makes it so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hub.config.drafts import BranchDraft
from hub.config.problems import Place, Problem, error, warning


def adopted_problems(branches: Iterable[BranchDraft]) -> Iterator[Problem]:
    """An interface that two tunnels are to be, and one whose addresses nobody said."""
    first: dict[str, tuple[str, Place]] = {}
    for branch in branches:
        for tunnel in branch.tunnels:
            interface = tunnel.written.existing
            if interface is None:
                continue
            place = branch.document.place("tunnels", tunnel.id.name, "existing")
            other, there = first.setdefault(interface, (str(tunnel.id), place))
            if there != place:
                yield error(place, f"existing: {interface} is also {other} ({there})", "name its own interface")
            elif tunnel.link is None:
                text = (
                    f"existing: {interface} is taken as it is, and its addresses are not written: those allocated count"
                )
                yield warning(place, text, "write link: with the pair that it has, the hub's even address first")
