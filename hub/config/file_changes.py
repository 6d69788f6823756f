"""What differs between the files of two directories, as it is written: each value with what it was and becomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.config.applied import files_of
from hub.config.document import parse

_LONGEST = 120
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A FileChange is one value of a file: its keys from the root, what it was and what it becomes; None: not there.

    Where the file itself comes, goes or has no keys, `what` is "".
    """

    file: str
    what: str
    was: str | None
    now: str | None


def file_changes(before: Path, after: Path) -> tuple[FileChange, ...]:
    """The changes from one directory to another, by file.

    Raises:
        OSError: a file cannot be read.
    """
    was, now = _files(before), _files(after)
    return tuple(
        change
        for file in sorted(was.keys() | now.keys())
        if was.get(file) != now.get(file)
        for change in _of_file(file, was.get(file), now.get(file))
    )


def _files(directory: Path) -> dict[str, str]:
    return {
        str(file.relative_to(directory)): file.read_text(encoding="utf-8", errors="replace")
        for file in files_of(directory)
    }


def _of_file(file: str, before: str | None, after: str | None) -> Iterator[FileChange]:
    if before is None or after is None:
        yield FileChange(file, "", None if before is None else "a file", None if after is None else "a file")
        return
    values = [_value(file, text) for text in (before, after)] if file.endswith(".yaml") else []
    if not values or not all(isinstance(value, dict) for value in values):
        yield FileChange(file, "", _lines(before), _lines(after))
        return
    yield from (FileChange(file, " ".join(path), was, now) for path, was, now in _differing((), *values))


def _lines(text: str) -> str:
    """How long it is, and which text: that it is another is all that can be said of it in a line."""
    lines = len(text.splitlines())
    return f"{lines} line{'' if lines == 1 else 's'} ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


def _value(file: str, text: str) -> Any:
    document, _ = parse(file, text)
    return document.value if document is not None else None


Difference = tuple[tuple[str, ...], str | None, str | None]


def _differing(path: tuple[str, ...], was: Any, now: Any) -> Iterator[Difference]:
    """Of maps each key by itself, and of lists of named maps each of them; all else is one value."""
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*was, *now)):
            if key in was and key in now:
                yield from _differing((*path, str(key)), was[key], now[key])
            else:
                yield (*path, str(key)), _written(was, key), _written(now, key)
    elif (first := _by_name(was)) and (then := _by_name(now)):
        yield from _differing(path, first, then)
        if first.keys() == then.keys() and list(first) != list(then):
            yield (*path, "order"), ", ".join(first), ", ".join(then)
    else:
        yield path, _words(was), _words(now)


def _by_name(value: Any) -> dict[str, Any]:
    """A list of maps that have names, each another one, by these; empty for all else."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and "name" in each for each in value):
        return {}
    named = {f'"{each["name"]}"': {key: said for key, said in each.items() if key != "name"} for each in value}
    return named if len(named) == len(value) else {}


def _written(values: dict[str, Any], key: str) -> str | None:
    return _words(values[key]) if key in values else None


def _words(value: Any) -> str:
    text = _inline(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_inline(said)}" for key, said in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
