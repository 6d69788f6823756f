"""What pydantic found wrong, in the words of this tool and at its place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from hub.config.document import Document, Path
from hub.config.meaning import meant
from hub.config.names import listed
from hub.config.problems import Problem, error
from hub.config.raw import known_keys, section_at
from hub.config.scalars import shown

_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "dict_type": "a map",
    "string_type": "text",
}
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_EXAMPLES = {
    "as": "as: 65001",
    "prefixes": "prefixes: [10.1.0.0/24]",
    "uplinks": "uplinks: {fiber: {isp: telkom}}",
    "isp": "isp: telkom",
    "router-id": "router-id: 10.0.0.1",
    "network": "network: kencana",
    "pools": "pools: {links: 10.255.0.0/19, ports: 51000-54999}",
    "links": "links: 10.255.0.0/19",
    "ports": "ports: 51000-54999",
    "branch": "branch: bandung",
    "expect": "expect: [{moves: 0}]",
}


def problems_of(
    document: Document, model: type[BaseModel], found: ValidationError, *, below: Path = ()
) -> Iterator[Problem]:
    """Each thing that pydantic found in the part of the document at `below`."""
    details = found.errors(include_url=False)
    for detail in details:
        inside = any(other["loc"][: len(detail["loc"])] == detail["loc"] for other in details if other is not detail)
        if detail["type"] == "too_short" and inside:
            continue  # what is there is wrong, and not counted
        yield _problem(document, model, dict(detail), below)


def _problem(document: Document, model: type[BaseModel], detail: dict[str, Any], below: Path) -> Problem:
    kind, location = detail["type"], (*below, *detail["loc"])
    path = document.trimmed(location)
    key = next((part for part in reversed(path) if isinstance(part, str)), document.file)
    if kind == "missing":
        return _missing(document, path, str(location[-1]))
    if kind == "extra_forbidden":
        return _unknown_key(document, model, path, len(below))
    if location[-1] == "[key]":
        return error(document.key_place(*path), str(detail["ctx"]["text"]), detail["ctx"]["mend"] or None)
    place = document.place(*path)
    if kind == "unreadable":
        return error(place, f"{key}: {detail['ctx']['text']}", detail["ctx"]["mend"] or None)
    if kind in _WANTED:
        return error(
            place, f"{key}: {shown(detail['input'])} where {_WANTED[kind]} is wanted", _type_mend(kind, detail)
        )
    if kind == "too_short":
        return error(place, f"{key} is empty: at least one is wanted", _example(key))
    return error(place, f"{key}: {_limit(detail)}")


def _missing(document: Document, path: Path, key: str) -> Problem:
    of = f" of {path[-1]}" if path and isinstance(path[-1], str) else ""
    return error(document.key_place(*path), f'"{key}"{of} is missing', _example(key))


def _example(key: str) -> str | None:
    return f"add it, for example {_EXAMPLES[key]}" if key in _EXAMPLES else None


def _unknown_key(document: Document, model: type[BaseModel], path: Path, depth: int) -> Problem:
    key, place = str(path[-1]), document.key_place(*path)
    section = section_at(model, path[depth:-1])
    if section is None:
        return error(place, f'unknown key "{key}"', "remove it")
    if key in section.NOT_YET:
        return error(place, f'"{key}" is not supported yet: remove it')
    if key in section.NEVER:
        return error(place, *section.NEVER[key])
    close = meant(model, path[depth:])
    if close is None:
        return error(place, f'unknown key "{key}": known are {listed(known_keys(section))}', "remove it")
    return error(place, f'unknown key "{key}"', f'write "{close}"')


def _type_mend(kind: str, detail: dict[str, Any]) -> str | None:
    value = detail["input"]
    if kind == "bool_type" and str(value).lower() in _TRUTHS:
        return f"write {_TRUTHS[str(value).lower()]}"
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return f"write {value}, without quotes"
    if kind == "tuple_type" and isinstance(value, str | int):
        return f"write [{value}]"
    return None


def _limit(detail: dict[str, Any]) -> str:
    limits = detail.get("ctx", {})
    value = shown(detail["input"]).removeprefix("the number ")
    if "ge" in limits:
        return f"{value} is too small: at least {limits['ge']}"
    if "le" in limits:
        return f"{value} is too large: at most {limits['le']}"
    return str(detail["msg"])
