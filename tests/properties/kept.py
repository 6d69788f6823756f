"""A property: what is drawn, and what must hold of it whatever that is.

The tests play a few hundred cases of each by hypothesis, the long run (`scripts/properties`) as many as asked for, by
the same dice without it: to draw and to remember a case takes hypothesis longer than to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dice import Dice, thrown
from hypothesis import Phase, given, settings
from hypothesis.errors import UnsatisfiedAssumption

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Property:
    """A Property is a name, what is drawn of the dice, and what raises where it does not hold of that."""

    name: str
    drawn: Callable[[Dice], Any]
    holds: Callable[[Any], None]


KEPT: dict[str, Property] = {}
"""Every property by its name."""


def always(drawn: Callable[[Dice], Value], cases: int = 200) -> Callable[[Callable[[Value], None]], Callable[[], None]]:
    """This test holds of all that is drawn; the ordinary run of the tests plays so many cases."""

    def kept(holds: Callable[[Value], None]) -> Callable[[], None]:
        KEPT[holds.__name__] = Property(holds.__name__, drawn, holds)
        # To explain a failure, hypothesis would trace every line.
        many = settings(max_examples=cases, phases=set(Phase) - {Phase.explain})
        return many(given(thrown(drawn))(holds))

    return kept


def assume(condition: object) -> None:
    """Of what is not so, the property says nothing: it is no case of it.

    Raises:
        UnsatisfiedAssumption: it is not so; hypothesis and the long run draw another.
    """
    if not condition:
        raise UnsatisfiedAssumption
