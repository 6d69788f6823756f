"""A long line that is read in steps means what the same line means that is read at once."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.control import long_lines
from hub.control.lines import BadLineError
from hub.control.long_lines import reading

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)
strings = st.lists(st.text(max_size=3), max_size=40)


def in_steps(line: bytes) -> tuple[Any, int]:
    """What the line means, and in how many steps it was read, however short it is."""
    with patch.object(long_lines, "SHORT", 0):
        steps: Generator[None, None, Any] = reading(line)
        count = 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value, count
            count += 1


@given(
    message=st.dictionaries(st.text(max_size=4), values | strings, max_size=5),
    ascii_only=st.booleans(),
    wide=st.booleans(),
)
def test_any_object_is_the_same_in_steps(message: dict[str, Any], ascii_only: bool, wide: bool) -> None:
    separators = (" ,\t", " :\r") if wide else (",", ":")
    line = json.dumps(message, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")
    assert in_steps(line)[0] == message


@given(message=st.dictionaries(st.text(max_size=4), values, max_size=4), data=st.data())
def test_what_is_no_json_is_refused_in_steps_too(message: dict[str, Any], data: st.DataObject) -> None:
    line = json.dumps(message)
    at = data.draw(st.integers(0, len(line) - 1))
    broken = (
        line[:at] + data.draw(st.sampled_from(["", "x", '"', "]", "}", ",", ":", "\\"])) + line[at + 1 :]
    ).encode()
    try:
        expected = json.loads(broken)
    except ValueError:
        with pytest.raises(BadLineError):
            in_steps(broken)
    else:
        assert in_steps(broken)[0] == expected


@pytest.mark.parametrize("line", [b"[]", b'"text"', b"17", b'{"a": 1} {}', b"[" * 60 + b"]" * 60, b'{"a": "\xff"}'])
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(BadLineError):
        in_steps(line)


def test_a_hundred_thousand_prefixes_are_read_in_many_steps() -> None:
    prefixes = [f"10.{n >> 8 & 255}.{n & 255}.0/24" for n in range(100_000)]
    message, steps = in_steps(json.dumps({"set": "classes", "unreachable": prefixes}).encode())
    assert message == {"set": "classes", "unreachable": prefixes}
    assert steps >= 200
