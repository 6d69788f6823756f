"""YAML as this tool reads it: 1.2's scalars, every place known, the traps refused with their mend."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.document import DEEPEST, parse
from hub.config.problems import Place


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("2024-01-31", "2024-01-31"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ('"18:00"', "18:00"),
        ('"0123"', "0123"),
        ('"true"', "true"),
        ("5g", "5g"),
        ("10.1.0.0/24", "10.1.0.0/24"),
        ("51000-54999", "51000-54999"),
    ],
)
def test_a_scalar_is_read_as_yaml_1_2_reads_it(written: str, value: Any) -> None:
    document, problems = parse("x.yaml", f"key: {written}")
    assert problems == []
    assert document is not None
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "says", "mend"),
    [
        ("key: fd00::1", (1, 6), "has colons", 'quote it: "fd00::1"'),
        ("key: 65535:0", (1, 6), "has colons", 'quote it: "65535:0"'),
        ("key: 18:00", (1, 6), "has colons", 'quote it: "18:00"'),
        ("key: 0123", (1, 6), "begins with 0", "write 123"),
        ("key: {isp:telkom}", (1, 7), "no space after its colon", 'write "isp: telkom"'),
        ("isp:telkom\nkind: lte", (2, 5), "not YAML", 'write "isp: telkom", with a space'),
        ("a: 1\nb: 2\na: 3", (3, 1), '"a" is here twice: first in line 1', "remove one"),
        ("a:\n\tb: 1", (2, 1), "not YAML", "indent with spaces"),
        ("a:\n", (1, 1), '"a" is empty', "give it a value, or remove it"),
        ("a: [1, ~]", (1, 8), "an empty entry", "remove it"),
        ("- fd00::", (1, 3), "read as a key", 'quote it: "fd00::"'),
        ("a: &x 1\nb: *x", (2, 4), "alias *x is not supported", "write the value out"),
        ("a: !!python/name:os.system x", (1, 4), "tag tag:yaml.org,2002:python/name:os.system", "remove it"),
        ("a: 1\n---\nb: 2", (2, 1), "a second document", "one file, one document"),
        ("? [a]\n: 1", (1, 3), "a key must be a plain word", ""),
    ],
)
def test_a_trap_is_refused_at_its_place_and_with_its_mend(
    text: str, place: tuple[int, int], says: str, mend: str
) -> None:
    _, problems = parse("x.yaml", text)
    assert [(problem.line, problem.column) for problem in problems] == [place]
    assert says in problems[0].text
    assert mend in (problems[0].mend or "")


def test_the_place_of_keys_and_values_is_known_in_lines_and_columns_from_one() -> None:
    document, _ = parse("x.yaml", "uplinks:\n  fiber: {isp: telkom}\nprefixes:\n  - 10.1.0.0/24\n")
    assert document is not None
    assert document.key_place("uplinks", "fiber") == Place("x.yaml", 2, 3)
    assert document.place("uplinks", "fiber", "isp") == Place("x.yaml", 2, 16)
    assert document.place("prefixes", 0) == Place("x.yaml", 4, 5)


def test_the_place_of_what_is_not_there_is_that_of_what_should_hold_it() -> None:
    document, _ = parse("x.yaml", "uplinks:\n  fiber: {isp: telkom}\n")
    assert document is not None
    assert document.place("uplinks", "fiber", "kind") == Place("x.yaml", 2, 10)


def test_the_first_of_two_equal_keys_counts() -> None:
    document, _ = parse("x.yaml", "a: 1\na: 2\n")
    assert document is not None
    assert document.value == {"a": 1}


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5000, "- " * 5000, "a: " + "[" * (DEEPEST + 1)])
def test_deep_nesting_is_one_problem(text: str) -> None:
    document, problems = parse("x.yaml", text)
    assert document is None
    assert len(problems) == 1


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_document_is_none(text: str) -> None:
    document, problems = parse("x.yaml", text)
    assert problems == []
    assert document is not None
    assert document.value is None


@given(st.text() | st.text(alphabet="ab:-{}[],\n \t\"'#&*!|>%@`~?0159"))
def test_no_text_makes_it_raise(text: str) -> None:
    document, problems = parse("x.yaml", text)
    assert document is not None or problems


@given(st.integers() | st.from_regex(r"[0-9.:_eE+-]{1,60}", fullmatch=True))
def test_what_looks_like_a_number_never_makes_it_raise(value: object) -> None:
    document, problems = parse("x.yaml", f"key: {value}")
    assert document is not None or problems
