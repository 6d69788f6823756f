"""Reads JSON objects strictly: every field has its type, and what is wrong is named with its place."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_TEXT = 400
"""Characters of a name or a reason."""


class FieldError(ValueError):
    """A field is missing or wrong; the text begins with its place, such as `classes[3].order`."""


class Fields:
    """A Fields is one JSON object and its place, for messages."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise FieldError(f"{place}: a JSON object is needed")
        self._value: Mapping[str, Any] = value
        self._place = place

    def place(self, key: str) -> str:
        """Where a field is."""
        return f"{self._place}.{key}" if self._place else key

    def only(self, *known: str) -> None:
        """Refuse fields of any other name."""
        for key in self._value:
            if key not in known:
                raise FieldError(f"{self._place or 'the line'}: unknown field {key[:40]!r}")

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(key) is not None

    def text(self, key: str, *, empty: bool = False) -> str:
        """A short text without control characters."""
        value = self._value.get(key)
        good = isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable() and (value or empty)
        if not good:
            raise FieldError(f"{self.place(key)}: a text of at most {LONGEST_TEXT} characters is needed")
        return str(value)

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise FieldError(f"{self.place(key)}: true or false is needed")
        return value

    def number(self, key: str, least: int, most: int) -> int:
        """A whole number within limits."""
        value = self._value.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise FieldError(f"{self.place(key)}: a whole number from {least} to {most} is needed")
        return value

    def milliseconds(self, key: str, least: float, most: float) -> int:
        """A number of milliseconds within limits, in nanoseconds."""
        value = self._value.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise FieldError(f"{self.place(key)}: milliseconds from {least:g} to {most:g} are needed")
        return round(value * 1_000_000)

    def address(self, key: str) -> str:
        """An IPv4 address in dotted form."""
        return self._address(key, socket.AF_INET, "IPv4")

    def address6(self, key: str) -> str:
        """An IPv6 address as RFC 5952 writes it."""
        return self._address(key, socket.AF_INET6, "IPv6")

    def _address(self, key: str, family: int, what: str) -> str:
        value = self._value.get(key)
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, value))  # type: ignore[arg-type]
        except (OSError, TypeError, ValueError) as error:
            raise FieldError(f"{self.place(key)}: an {what} address is needed") from error

    def each(self, key: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """A list, every member read by `read`, which is given the member and its place."""
        place = self.place(key)
        return tuple([read(member, f"{place}[{index}]") for index, member in enumerate(self.members(key))])

    def members(self, key: str) -> list[object]:
        """A list, its members as they are."""
        value = self._value.get(key)
        if not isinstance(value, list):
            raise FieldError(f"{self.place(key)}: a list is needed")
        return value

    def part(self, key: str) -> Fields:
        """An object within this one."""
        return Fields(self._value.get(key), self.place(key))

    def raw(self, key: str) -> object:
        """The value as it is."""
        return self._value.get(key)


def unique(values: tuple[str, ...], place: str) -> tuple[str, ...]:
    """The same values; refused when one is there twice."""
    if len(set(values)) != len(values):
        twice = next(value for value, count in Counter(values).items() if count > 1)
        raise FieldError(f'{place}: "{twice}" is there twice')
    return values
