"""YAML text to plain values with the place of each, and without YAML 1.1's surprises.

Scalars are those of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema) less octal, hexadecimal and
the special floats: `yes`, `0123`, `18:00` and dates stay text, and what another reader would take for a number is
refused. An IPv6 prefix needs no quotes: its slash keeps every reader from taking it for a number. Anchors may stand,
but aliases, tags and second documents are refused: nothing here needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any

import yaml

from hub.config.problems import Place, Problem, error

Path = tuple[str | int, ...]
"""Where a value is in its document: keys of maps and indexes of lists, from the root."""

DEEPEST = 20
"""No configuration nests deeper; more is a mistake or an attack."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_COLONS = re.compile(r"(?=.*:)(?![0-9]+\.[0-9.]*:)[0-9a-fA-F:.]+(/[0-9]+)?")
_NO_SPACE = re.compile(r"\s*(?:[-{,]\s*)?([a-z][a-z0-9-]*):([^\s/:][^\s,}]*)")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A Document is a file's content as plain maps, lists and scalars, and the places of all of it.

    The keys of maps are always text, as written. Places are (line, column), from 1; most are never asked for.
    """

    file: str
    value: Any
    values: Mapping[Path, tuple[int, int]]
    keys: Mapping[Path, tuple[int, int]]

    def trimmed(self, path: Path) -> Path:
        """The path less the parts that are not in the document."""
        found: Path = ()
        for part in path:
            if (*found, part) in self.values:
                found = (*found, part)
        return found

    def place(self, *path: str | int) -> Place:
        """Where this value stands, or else the nearest thing round it."""
        return Place(self.file, *self.values[self.trimmed(path)])

    def key_place(self, *path: str | int) -> Place:
        """Where the key of this value stands; the value itself if it is in a list."""
        trimmed = self.trimmed(path)
        return Place(self.file, *(self.keys.get(trimmed) or self.values[trimmed]))


def parse(file: str, text: str) -> tuple[Document | None, list[Problem]]:
    """Read one document; None if it cannot be read at all. `file` is the name that problems carry. Never raises."""
    builder = _Builder(file)
    try:
        value = builder.document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as problem:
        return None, [*builder.problems, _syntax(file, text, problem)]
    except yaml.YAMLError as problem:
        return None, [_characters(file, text, problem)]
    except _TooDeepError as problem:
        return None, [error(problem.place, f"nested more than {DEEPEST} deep: nothing here needs that")]
    return Document(file, value, builder.values, builder.keys), builder.problems


class _TooDeepError(Exception):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class _Builder:
    """A _Builder makes values of parser events, and notes places and problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[Path, tuple[int, int]] = {(): (1, 1)}
        self.keys: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []

    def document(self, events: Iterator[Any]) -> Any:
        value: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse(event, "a second document begins here", "remove the ---: one file, one document")
                    break
            elif isinstance(event, yaml.NodeEvent):
                value = self.node(event, events, ())
        return value

    def node(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        self.values[path] = _at(event)
        if len(path) > DEEPEST:
            raise _TooDeepError(Place(self.file, *_at(event)))
        if isinstance(event, yaml.AliasEvent):
            self.refuse(event, f"alias *{event.anchor} is not supported", "write the value out")
            return None
        if event.tag and event.tag != "!" and not any(_implicit(event)):
            self.refuse(event, f"tag {event.tag} is not supported", "remove it")
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(events, path)
        return self.scalar(event) if not event.style and event.implicit[0] else event.value

    def mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.key(event, events, path)
            here = (*path, key)
            again = key in made
            if again:
                self.refuse(event, f'"{key}" is here twice: first in line {self.keys[here][0]}', "remove one of them")
            value_event = next(events)
            kept = (self.values.get(here), self.keys.get(here)) if again else None
            value = self.node(value_event, events, here)
            if again and kept and kept[0] and kept[1]:
                self.values[here], self.keys[here] = kept[0], kept[1]
                continue
            if value is None and isinstance(value_event, yaml.ScalarEvent) and isinstance(event, yaml.ScalarEvent):
                key, value = self.empty(event, key)
                here = (*path, key)
                self.values[here] = _at(event)
            self.keys[here] = _at(event)
            made[key] = value
        return made

    def key(self, event: Any, events: Iterator[Any], path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        self.refuse(event, "a key must be a plain word", None)
        self.node(event, events, (*path, "?"))
        return "?"

    def empty(self, event: Any, key: str) -> tuple[str, str | None]:
        """Refuse a key without a value; the key and value that were probably meant, so that the rest can be checked."""
        name, _, value = key.partition(":")
        if not event.style and _COLONS.fullmatch(key):
            self.refuse(event, f"{key} is read as a key", f'quote it: "{key}:"')
        elif not event.style and name and value:
            self.refuse(event, f'"{key}" has no space after its colon', f'write "{name}: {value}"')
            return name, value
        else:
            self.refuse(event, f'"{key}" is empty', "give it a value, or remove it")
        return key, None

    def sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        made: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            value = self.node(event, events, (*path, len(made)))
            if value is None and isinstance(event, yaml.ScalarEvent):
                self.refuse(event, "an empty entry", "remove it")
            made.append(value)
        return made

    def scalar(self, event: Any) -> bool | int | float | str | None:
        text: str = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if len(text) <= 40:
            if _INTEGER.fullmatch(text):
                return int(text)
            if _LEADING_ZERO.fullmatch(text):
                self.refuse(event, f"{text} begins with 0: other programs read it as octal", f"write {int(text)}")
            elif _FLOAT.fullmatch(text):
                return float(text)
            elif _COLONS.fullmatch(text) and not _is_ipv6_prefix(text):
                self.refuse(
                    event, f"{text} has colons: other programs read it as something else", f'quote it: "{text}"'
                )
        return text

    def refuse(self, event: Any, text: str, mend: str | None) -> None:
        self.problems.append(error(Place(self.file, *_at(event)), text, mend))


def _is_ipv6_prefix(text: str) -> bool:
    try:
        IPv6Network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _at(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _implicit(event: Any) -> tuple[bool, ...]:
    implicit = event.implicit
    return implicit if isinstance(implicit, tuple) else (implicit,)


def _syntax(file: str, text: str, problem: yaml.MarkedYAMLError) -> Problem:
    mark = problem.problem_mark or problem.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    what = problem.problem or "this is not YAML"
    return error(place, f"not YAML: {what}", _syntax_mend(text.splitlines(), place))


def _syntax_mend(lines: list[str], place: Place) -> str | None:
    # The parser often notices one line late, so the line before is looked at too.
    for line in lines[max(0, place.line - 2) : place.line]:
        if "\t" in line[: len(line) - len(line.lstrip())] or "\t" in line[place.column - 1 : place.column]:
            return "indent with spaces: YAML allows no tabs"
        missing = _NO_SPACE.match(line)
        if missing:
            return f'write "{missing[1]}: {missing[2]}", with a space after the colon'
        if "::" in line and '"' not in line:
            return 'put IPv6 addresses in quotes, for example "fd00::/8"'
    return None


def _characters(file: str, text: str, problem: yaml.YAMLError) -> Problem:
    position = getattr(problem, "position", None)
    before = text[:position] if isinstance(position, int) else ""
    place = Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1) if before else Place(file)
    return error(place, "not YAML: it has a control character in it", "save the file as plain UTF-8 text")
