"""Frozen dataclasses as plain JSON values, and back: what one process says to another, or keeps in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class NotPlainError(ValueError):
    """A value is not what `to_plain` wrote of this class; the text says where it differs."""


def to_plain(value: Any) -> dict[str, Any]:
    """The dataclass as values of JSON: of texts, numbers, truths, None, tuples of these, and such dataclasses."""
    return asdict(value)


def from_plain(kind: type[T], value: object) -> T:
    """The dataclass that `to_plain` wrote.

    Raises:
        NotPlainError: the value is something else. Fields that are missing are an error, unknown ones are too.
    """
    made = _decode(kind, value, kind.__name__)
    if not isinstance(made, kind):
        raise NotPlainError(f"{kind.__name__}: {value!r:.60}")
    return made


def _decode(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise NotPlainError(f"{where}: no list")
        return tuple(_decode(get_args(kind)[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if isinstance(kind, UnionType):
        return None if value is None else _decode(get_args(kind)[0], value, where)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value, where)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise NotPlainError(f"{where}: {value!r:.60} where {kind.__name__} is wanted")
    return value


def _dataclass(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise NotPlainError(f"{where}: no object")
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    if strange := value.keys() ^ set(names):
        raise NotPlainError(f"{where}: {sorted(strange)[0]} is missing or unknown")
    return kind(**{name: _decode(hints[name], value[name], f"{where}.{name}") for name in names})
