"""Policies and what they extend, down to one that is built in; and what branches change of them."""

from __future__ import annotations

from collections.abc import Mapping

from hub.config.load import Parsed
from hub.config.names import write_instead
from hub.config.policy.build import Built, build
from hub.config.policy.built_in import STANDARD, built_in_file, built_in_layers, built_in_names
from hub.config.policy.layers import Layer, Layers
from hub.config.policy.written import RawPolicy
from hub.config.problems import Problem, error


class Policies:
    """A Policies finds policies by name: those that are written, and else the built-in ones.

    `names` are also those of files that are wrong in themselves, of which nothing can be known. A file that has the
    name of a built-in policy takes its place, below those that extend it too. It may extend the one whose place it
    takes, and `standard` always does if it says nothing else.
    """

    def __init__(self, written: Mapping[str, Parsed[RawPolicy]], names: frozenset[str]) -> None:
        self._written, self._names = written, names
        self._layers: dict[str, Layers | None] = {}
        self._built: dict[str, Built] = {}
        self.problems: list[Problem] = []
        for name in sorted(written):
            self._resolve(name)

    @property
    def known(self) -> frozenset[str]:
        """All names that a branch may write."""
        return self._names | built_in_names()

    def find(self, name: str) -> Built | None:
        """The policy of this name; None if there is none, or if what it stands on cannot be told."""
        if name not in self._built:
            if name not in self._layers and name in self.known:
                self._resolve(name)
            layers = self._layers.get(name)
            if layers is None:
                return None
            self._built[name] = build(name, layers)
        return self._built[name]

    def _resolve(self, name: str) -> None:
        """Find all that one policy stands on, the lowest first."""
        chain: list[tuple[str, Layer]] = []
        while name not in self._layers:
            circle = [each for each, _ in chain]
            if name in circle:
                self._circle([*circle[circle.index(name) :], name])
                return
            if name not in self.known:
                self._unknown(chain[-1][0], name)
            if name not in self._written and (name in self._names or name not in built_in_names()):
                self._layers[name] = None
                break
            chain.append((name, self._layer(name)))
            parent = self._parent(name)
            if self._is_bottom(name, parent):
                self._put(chain, built_in_layers(parent) if name in self._written else Layers(()))
                return
            name = parent
        self._put(chain, self._layers[name])

    def _put(self, chain: list[tuple[str, Layer]], below: Layers | None) -> None:
        for name, layer in reversed(chain):
            below = below.above(layer) if below is not None else None
            self._layers[name] = below

    def _layer(self, name: str) -> Layer:
        if name in self._written:
            return Layer(self._written[name].document)
        return Layer(built_in_file(name)[0], built_in=True)

    def _parent(self, name: str) -> str:
        raw = self._written[name].raw if name in self._written else built_in_file(name)[1]
        return raw.extends or STANDARD

    def _is_bottom(self, name: str, parent: str) -> bool:
        """Whether nothing below is the user's: a built-in policy is meant that the file takes the place of."""
        if parent == name:
            return name in built_in_names()
        return name == STANDARD and parent in built_in_names() - self._names  # all of which extend the built-in one

    def _circle(self, names: list[str]) -> None:
        mine = next(name for name in names if name in self._written)
        place = self._written[mine].document.place("extends")
        text = f"policies extend each other in a circle: {' -> '.join(names)}"
        self._say(error(place, text, 'let one of them extend "standard"'))

    def _unknown(self, child: str, parent: str) -> None:
        place = self._written[child].document.place("extends")
        mend = write_instead(parent, sorted(self.known - {child}))
        self._say(error(place, f'there is no policy "{parent}"', mend))

    def _say(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
