"""The interfaces of this machine, as the kernel last said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.forwarder.netlink.links import Link


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A LinkChange is an interface that came up, went down, or went away.

    `lost_index` is not 0 when the kernel dropped all nexthops and routes that were on that index.
    """

    name: str
    up: bool
    lost_index: int = 0


class Interfaces:
    """An Interfaces is every interface by index and by name."""

    def __init__(self) -> None:
        self._by_index: dict[int, Link] = {}
        self._by_name: dict[str, Link] = {}

    def usable(self, name: str) -> int:
        """The index of an interface that can carry routes now; 0 when it can't, or is not there."""
        link = self._by_name.get(name)
        return link.index if link and link.up else 0

    def resolves(self, index: int) -> bool:
        """Whether an interface has to be told to whom it sends."""
        link = self._by_index.get(index)
        return link is not None and link.resolves

    def name_of(self, index: int) -> str:
        """The name of an interface; empty when there is none."""
        link = self._by_index.get(index)
        return link.name if link else ""

    def present(self) -> dict[str, bool]:
        """Every interface, and whether it is up."""
        return {name: link.up for name, link in self._by_name.items()}

    def replace(self, links: Iterable[Link]) -> list[LinkChange]:
        """These are all interfaces now."""
        links = list(links)
        there = {link.index for link in links}
        gone = [link for link in self._by_index.values() if link.index not in there]
        return [change for link in gone for change in self.gone(link)] + [
            change for link in links for change in self.changed(link)
        ]

    def changed(self, link: Link) -> list[LinkChange]:
        """An interface is now so."""
        before = self._by_index.get(link.index)
        if before == link:
            return []
        changes = []
        if before:
            self._forget(before)
            if before.name != link.name or not link.up:
                changes.append(LinkChange(before.name, up=False, lost_index=before.index if not link.up else 0))
        self._by_index[link.index] = self._by_name[link.name] = link
        if not changes or changes[0].name != link.name:
            changes.append(LinkChange(link.name, link.up))
        return changes

    def gone(self, link: Link) -> list[LinkChange]:
        """An interface was deleted."""
        before = self._by_index.get(link.index)
        if before is None:
            return []
        self._forget(before)
        return [LinkChange(before.name, up=False, lost_index=before.index)]

    def _forget(self, link: Link) -> None:
        self._by_index.pop(link.index, None)
        if self._by_name.get(link.name) is link:
            del self._by_name[link.name]
