"""Structure from a fuzzer's bytes: numbers, choices and texts drawn from them, and JSON that is almost right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeVar

T = TypeVar("T")

_DEEP = "~deep~"
_PLAIN: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 255, 2**31, 2**32, 2**53, 2**63, 10**400, 0.5, -0.0, 1e300, float("inf"), float("nan"),
    "", " ", "x", "a\nb", "\x1b[2J", "\x00", "\ud800", "ü", "\u2028", "9" * 50, "x" * 5000,
    [], {}, [[]], [{}], {"": None}, f"{_DEEP}12", f"{_DEEP}300", f"{_DEEP}900", f"{_DEEP}985",
    "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/24", "10.1.0.1/24", "10.255.1.1", "2001:db8::/32", "2001:DB8::/32", "::",
)  # fmt: skip
"""Values that programs stumble over. The deep ones become nested lists in the text of JSON."""


class Draw:
    """A Draw takes what it is asked for from the front of the bytes; when they are used up it takes zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether any bytes are left."""
        return self._at < len(self._data)

    def raw(self, length: int) -> bytes:
        """So many bytes."""
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken.ljust(length, b"\0")

    def rest(self) -> bytes:
        """All bytes that are left."""
        taken, self._at = self._data[self._at :], len(self._data)
        return taken

    def byte(self) -> int:
        """A number from 0 to 255."""
        return self.raw(1)[0]

    def number(self, least: int, most: int) -> int:
        """A number from `least` to `most`."""
        span = most - least + 1
        return least + int.from_bytes(self.raw((span.bit_length() + 7) // 8), "big") % span

    def flag(self) -> bool:
        """Yes or no."""
        return bool(self.byte() & 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of at most 65,536."""
        return options[self.number(0, len(options) - 1)]

    def either(self, options: Sequence[T], more: Sequence[T]) -> T:
        """One of `options`, or in a quarter of all cases of `more`; at most 64 of each."""
        byte = self.byte()
        return more[(byte - 192) % len(more)] if byte >= 192 else options[byte % len(options)]

    def text(self, longest: int = 40) -> str:
        """A text of any characters."""
        return self.raw(self.number(0, longest)).decode("utf-8", "replace")

    def value(self, words: Sequence[Any] = (), depth: int = 2) -> Any:
        """A JSON value: one of `words`, one that programs stumble over, a text, a number, or a small container."""
        match self.byte() % 8:
            case 0 | 1 if words:
                return deepcopy(self.choice(words))
            case 2 if depth:
                return [self.value(words, depth - 1) for _ in range(self.number(0, 4))]
            case 3 if depth:
                return {self.key(words): self.value(words, depth - 1) for _ in range(self.number(0, 4))}
            case 4:
                return self.text()
            case 5:
                return self.number(-(1 << 15), 1 << 16)
            case _:
                return deepcopy(self.choice(_PLAIN))

    def key(self, words: Sequence[Any]) -> str:
        """A key of an object."""
        key = self.choice(words) if words and self.flag() else self.text(12)
        return key if isinstance(key, str) else str(key)

    def spoilt(self, value: Any, words: Sequence[Any] = ()) -> Any:
        """A copy of a JSON value in which a few places are replaced, removed, doubled or added."""
        copy = deepcopy(value)
        for _ in range(self.number(0, 4)):
            copy = self._spoil(copy, words)
        return copy

    def _spoil(self, value: Any, words: Sequence[Any]) -> Any:
        if not isinstance(value, dict | list) or not value or self.byte() % 8 == 0:
            return self.value(words)
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = self.choice(keys)
        match self.byte() % 8:
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                value[self.key(words)] = deepcopy(value[key])
            case 1 | 2 if isinstance(value, list):
                value.append(deepcopy(value[key]))
            case 2:
                value[self.key(words)] = self.value(words)
            case 3:
                value[key] = self.value(words)
            case _:
                value[key] = self._spoil(value[key], words)
        return value


def dumps(value: Any, deepest: int = 1000) -> bytes:
    """The JSON text of a value that was drawn, on one line."""
    text = json.dumps(value)
    while (at := text.find(f'"{_DEEP}')) >= 0:
        end = text.index('"', at + 1)
        depth = text[at + 1 + len(_DEEP) : end]
        levels = min(deepest, int(depth)) if depth.isdecimal() and depth.isascii() else 0
        text = text[:at] + "[" * levels + "]" * levels + text[end + 1 :]
    return text.encode()


def check_message(text: str, longest: int = 1000) -> None:
    """What an error says to people is one line, printable, and not without end."""
    assert text, "an error without a word"
    assert text.isprintable(), f"a line break or control character in a message: {text[:200]!r}"
    assert len(text) <= longest, f"a message of {len(text)} characters"
