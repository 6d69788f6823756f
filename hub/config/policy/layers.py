"""What several files say of one policy, one above the other: maps merge, key by key and at any depth; lists replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.config.document import Document, Path
from hub.config.policy.written import POLICY_KEYS
from hub.config.problems import Place


@dataclass(frozen=True, slots=True)
class Layer:
    """A Layer is what one file says of a policy. What is `built_in` is in no file of the user's."""

    document: Document
    built_in: bool = False

    @property
    def keys(self) -> dict[str, Any]:
        """Its keys of a policy, as they are written."""
        return {key: self.document.value[key] for key in POLICY_KEYS if key in self.document.value}


@dataclass(frozen=True, slots=True)
class Layers:
    """A Layers is the files that make one policy, the lowest first."""

    each: tuple[Layer, ...]

    def above(self, layer: Layer) -> Layers:
        """The same with one more on top."""
        return Layers((*self.each, layer))

    def merged(self) -> dict[str, Any]:
        """What they say together."""
        said: dict[str, Any] = {}
        for layer in self.each:
            said = merged(said, layer.keys)
        return said

    def top(self, *path: str | int) -> Layer | None:
        """The highest that has this path: what it says there counts."""
        return next((layer for layer in reversed(self.each) if path in layer.document.values), None)

    def place(self, *paths: Path) -> Place:
        """Where the highest file of the user's says one of these, the first of them first; else its beginning."""
        for layer in reversed(self.each):
            for path in paths:
                if not layer.built_in and path in layer.document.values:
                    return layer.document.place(*path)
        return self.each[-1].document.place()


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The first with what the second says."""
    said = dict(below)
    for key, value in above.items():
        under = said.get(key)
        said[key] = merged(under, value) if isinstance(value, dict) and isinstance(under, dict) else value
    return said
