"""Policies and what they extend, down to one that is built in; and what branches change of them."""

from __future__ import annotations

from collections.abc import Mapping

from hub.config.load import Parsed
from hub.config.names import write_instead
from hub.config.policy.build import Built, build
from hub.config.policy.built_in import STANDARD, built_in_layers, built_in_names
from hub.config.policy.layers import Layer, Layers
from hub.config.policy.written import RawPolicy
from hub.config.problems import Problem, error


class Policies:
    """A Policies finds policies by name: those that are written, and else the built-in ones.

    `names` are also those of files that are wrong in themselves, of which nothing can be known. A file that has the name
    of a built-in policy takes its place; it may extend the one whose place it takes, and `standard` always does if it
    says nothing else.
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
            layers = self._of(name)
            if layers is None:
                return None
            self._built[name] = build(name, layers)
        return self._built[name]

    def _of(self, name: str) -> Layers | None:
        if name in self._names:
            return self._layers.get(name)
        return built_in_layers(name) if name in built_in_names() else None

    def _resolve(self, name: str) -> None:
        """Find all that one policy stands on, the lowest first."""
        chain: list[str] = []
        below: Layers | None = None
        while True:
            if name in chain:
                self._circle([*chain[chain.index(name) :], name])
                return
            if name not in self._written or name in self._layers:
                if name not in self.known:
                    self._unknown(chain[-1], name)
                below = self._of(name)
                break
            chain.append(name)
            parent = self._written[name].raw.extends or STANDARD
            if parent == name and name in built_in_names():
                below = built_in_layers(name)
                break
            name = parent
        for above in reversed(chain):
            below = below.above(Layer(self._written[above].document)) if below is not None else None
            self._layers[above] = below

    def _circle(self, names: list[str]) -> None:
        place = self._written[names[0]].document.place("extends")
        text = f"policies extend each other in a circle: {' -> '.join(names)}"
        self._say(error(place, text, 'let one of them extend "standard"'))

    def _unknown(self, child: str, parent: str) -> None:
        place = self._written[child].document.place("extends")
        mend = write_instead(parent, sorted(self.known - {child}))
        self._say(error(place, f'there is no policy "{parent}"', mend))

    def _say(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
