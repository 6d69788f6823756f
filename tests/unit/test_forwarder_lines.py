"""Lines with many prefixes are the lines that plain JSON would give, with each list made to text once."""

from __future__ import annotations

from typing import Any

import pytest

from hub.control.lines import encode, parse_line
from hub.forwarder import lines
from hub.forwarder.lines import LONG, LineWriter
from hub.forwarder.steps import at_once


def many(count: int = LONG, first: int = 0) -> tuple[str, ...]:
    return tuple(f"10.{n >> 8}.{n & 255}.0/24" for n in range(first, first + count))


def state(name: str, prefixes: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {"name": name, "reason": 'with "quotes" and \\', "prefixes": prefixes, "epoch": 1, **more}


MESSAGES = [
    {"class": state("bandung", many(3))},
    {"class": state("bandung", many())},
    {"class": state("bandung", many(LONG + 700))},
    {"snapshot": {"classes": [state("a", many()), state("b", many(2)), state("c", many(first=900))], "paths": []}},
    {"status": {"classes": [], "paths": []}},
    {"liveness": {"tunnel": "bandung/fiber"}},
    {"gone": "bandung"},
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_line_says_what_plain_json_says(message: dict[str, Any]) -> None:
    writer = LineWriter()
    for _ in range(2):
        assert parse_line(writer.line(message)) == parse_line(encode(message))


def test_the_text_of_prefixes_is_made_once_and_anew_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    dumps = lines.json.dumps

    def counting(value: Any, **options: Any) -> str:
        made.append(len(value))
        return dumps(value, **options)

    monkeypatch.setattr(lines.json, "dumps", counting)
    writer, first, second = LineWriter(), many(), many(first=900)
    at_once(writer.prepare("bandung", first))
    at_once(writer.prepare("bandung", tuple(first)))
    at_once(writer.prepare("bandung", many()))
    assert sum(count == LONG for count in made) == 1
    at_once(writer.prepare("bandung", second))
    made.clear()
    for prefixes in (first, second, first):
        assert parse_line(writer.line({"class": state("bandung", prefixes)}))["class"]["prefixes"] == list(prefixes)
    assert LONG not in made


def test_a_long_list_is_made_to_text_in_steps() -> None:
    assert sum(1 for _pause in LineWriter().prepare("bandung", many(10_000))) == 10
