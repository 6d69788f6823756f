"""What of a session must be kept so that its process can be restarted without the neighbor noticing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from speaker.bfd.packet import LARGEST_INTERVAL, State
from speaker.bfd.timing import nanoseconds

_LARGEST = {
    "discriminator": 0xFFFFFFFF,
    "state": State.UP,
    "remote_discriminator": 0xFFFFFFFF,
    "remote_multiplier": 255,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """A Memory is one session as numbers: discriminators, states, and the timers in effect (nanoseconds)."""

    discriminator: int
    state: int
    remote_discriminator: int
    remote_multiplier: int
    remote_desired_min_tx: int
    remote_required_min_rx: int
    desired_min_tx: int
    required_min_rx: int

    def to_json(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Memory:
        """Read what `to_json` wrote.

        Raises:
            ValueError: a number is missing, is no number or can't be.
        """
        if not isinstance(value, Mapping):
            raise ValueError("the memory of a BFD session is not an object")  # noqa: TRY004  one error for bad files
        return cls(**{field.name: _number(value, field.name) for field in fields(cls)})


def _number(value: Mapping[str, object], name: str) -> int:
    number = value.get(name)
    largest = _LARGEST.get(name, nanoseconds(LARGEST_INTERVAL))
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= largest:
        raise ValueError(f"{name} of a BFD session is {number!r}: a number from 0 to {int(largest)} is needed")
    if number == 0 and name == "discriminator":
        raise ValueError("a BFD session can't have discriminator 0")
    return number
