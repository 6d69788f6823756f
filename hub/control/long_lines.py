"""A long line of JSON, read in steps of less than a millisecond: tens of thousands of prefixes in one list.

It reads the same language as `json.loads` and gives the same values, only in more than one go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator

from hub.control.lines import BadLineError, Message, parse_line

SHORT = 16_384
"""Bytes of a line that is read at once."""
DEEPEST = 50
"""Lists and objects within each other."""
_SPACE = re.compile(r"[ \t\n\r]*")
_STRINGS = re.compile(r'(?:"[^"\\\x00-\x1f]*"[ \t\n\r]*,[ \t\n\r]*){1,500}')
"""A run of plain strings with a comma behind each."""
_SCAN = json.JSONDecoder().raw_decode

_Value = Generator[None, None, tuple[object, int]]
"""A value, and where the text goes on behind it."""


def reading(line: bytes) -> Generator[None, None, Message]:
    """The object in a line; pauses between steps.

    Raises:
        BadLineError: it is no JSON object.
    """
    if len(line) <= SHORT:
        return parse_line(line)
    try:
        text = line.decode()
        value, end = yield from _value(text, _skip(text, 0), DEEPEST)
    except ValueError as error:
        raise BadLineError(f"not a line of JSON: {line[:60]!r}") from error
    if _skip(text, end) != len(text):
        raise BadLineError(f"more than one value in a line: {line[:60]!r}")
    if not isinstance(value, dict):
        raise BadLineError(f"not a JSON object: {line[:60]!r}")
    return value


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, depth: int) -> _Value:
    match text[at : at + 1]:
        case "[":
            return (yield from _list(text, _skip(text, at + 1), _deeper(depth)))
        case "{":
            return (yield from _object(text, _skip(text, at + 1), _deeper(depth)))
        case _:
            return _SCAN(text, at)


def _deeper(depth: int) -> int:
    if depth == 0:
        raise ValueError(f"more than {DEEPEST} lists and objects within each other")
    return depth - 1


def _list(text: str, at: int, depth: int) -> _Value:
    found: list[object] = []
    if text[at : at + 1] == "]":
        return found, at + 1
    more = True
    while more:
        run = _STRINGS.match(text, at)
        if run is not None:
            found += json.loads(f"[{run[0].rstrip()[:-1]}]")
            at = run.end()
        else:
            value, at = yield from _value(text, at, depth)
            found.append(value)
            more, at = _goes_on(text, at, "]")
        yield
    return found, at


def _object(text: str, at: int, depth: int) -> _Value:
    found: dict[str, object] = {}
    if text[at : at + 1] == "}":
        return found, at + 1
    more = True
    while more:
        key, at = _SCAN(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at : at + 1] != ":":
            raise ValueError("a key and a colon are needed")
        found[key], at = yield from _value(text, _skip(text, at + 1), depth)
        more, at = _goes_on(text, at, "}")
    return found, at


def _goes_on(text: str, at: int, end: str) -> tuple[bool, int]:
    """Whether another member follows, and where."""
    at = _skip(text, at)
    mark = text[at : at + 1]
    if mark == end:
        return False, at + 1
    if mark != ",":
        raise ValueError("a comma or the end is needed")
    return True, _skip(text, at + 1)
