"""What is wrong with the words of a `prefer`, of a policy, of a branch or of a rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from hub.config.names import KINDS, write_instead
from hub.config.problems import Place, Problem, error
from policies.model.kinds import CHEAPEST


def preference_problems(
    prefer: Sequence[str], tunnels: Collection[str], whose: str, place: Callable[[int], Place]
) -> Iterator[Problem]:
    """Words that name nothing, and those that come too late to name anything; `place` is where each stands."""
    known = {*tunnels, *KINDS, CHEAPEST}
    for index, name in enumerate(prefer):
        if name not in known:
            text = f'prefer: "{name}" is neither a kind of uplink nor a tunnel of {whose}'
            yield error(place(index), text, write_instead(name, sorted(known)))
        elif CHEAPEST in prefer[:index]:
            text = f'prefer: nothing is left for "{name}": {CHEAPEST} takes all tunnels that are not named before it'
            yield error(place(index), text, f"write {CHEAPEST} last")


def is_word(name: str) -> bool:
    """Whether a tunnel of this name could not be told from a word of `prefer`."""
    return name == CHEAPEST
