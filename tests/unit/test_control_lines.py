"""JSON lines between processes: whole, in halves, and nonsense."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.control.lines import LONGEST_LINE, BadLineError, LineReader, check_greeting, encode, greeting

plain = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
messages = st.dictionaries(st.text(max_size=8), plain | st.lists(plain, max_size=3), max_size=4)


@given(st.lists(messages, max_size=5), st.integers(1, 40))
def test_what_is_sent_arrives_however_it_is_cut(sent: list[dict[str, object]], piece: int) -> None:
    data = b"".join(encode(message) for message in sent)
    reader = LineReader()
    arrived = [message for i in range(0, len(data), piece) for message in reader.feed(data[i : i + piece])]
    assert arrived == sent


@given(st.binary(max_size=200))
def test_whatever_arrives_it_is_messages_or_one_error(data: bytes) -> None:
    with contextlib.suppress(BadLineError):
        assert all(isinstance(message, dict) for message in LineReader().feed(data + b"\n"))


def test_a_half_line_waits_for_its_rest() -> None:
    reader = LineReader()
    assert reader.feed(b'{"a": ') == []
    assert reader.feed(b"1}\n") == [{"a": 1}]


def test_a_line_without_end_is_given_up() -> None:
    with pytest.raises(BadLineError, match="more than"):
        LineReader().feed(b"x" * (LONGEST_LINE + 1))


def test_deep_nesting_is_refused_not_followed() -> None:
    with pytest.raises(BadLineError):
        LineReader().feed(b"[" * 100_000 + b"\n")


def test_a_greeting_says_its_role() -> None:
    assert check_greeting(greeting("relay", pid=7)) == "relay"


@pytest.mark.parametrize("message", [{}, {"pointsman": "1", "role": "relay"}, {"pointsman": 1}, {"role": "relay"}])
def test_what_is_no_greeting_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(BadLineError, match="no greeting"):
        check_greeting(message)


def test_another_version_is_refused_with_the_mend() -> None:
    with pytest.raises(BadLineError, match="upgrade the older"):
        check_greeting({"pointsman": 2, "role": "relay"})
