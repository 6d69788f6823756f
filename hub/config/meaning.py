"""Unknown keys as they were probably meant, so that what else is wrong with a file comes in the same run of `check`."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from hub.config.document import Document, Path
from hub.config.names import nearest
from hub.config.raw import known_keys, section_at

UNKNOWN = "extra_forbidden"
"""What pydantic calls an unknown key."""


def meant(model: type[BaseModel], path: Path) -> str | None:
    """The known key that the unknown one at this path probably is; None if it is near none, or known and refused."""
    key, section = str(path[-1]), section_at(model, path[:-1])
    if section is None or key in section.NOT_YET or key in section.NEVER:
        return None
    return nearest(key, known_keys(section))


def as_meant(document: Document, model: type[BaseModel], found: ValidationError) -> Document | None:
    """The document with its unknown keys as they were meant, or without them; None if it has other faults too."""
    details = found.errors(include_url=False)
    if any(detail["type"] != UNKNOWN for detail in details):
        return None
    mended = replace(document, value=deepcopy(document.value), values=dict(document.values), keys=dict(document.keys))
    for path in (document.trimmed(tuple(detail["loc"])) for detail in details):
        around = _at(mended.value, path[:-1])
        said, known = around.pop(path[-1]), meant(model, path)
        if known is not None and known not in around:
            around[known] = said
            mended = _with_places(mended, path, (*path[:-1], known))
    return mended


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _with_places(document: Document, was: Path, now: Path) -> Document:
    """What stands below another key now has the places of what stood below this one."""
    values, keys = (
        {**every, **{(*now, *path[len(was) :]): at for path, at in every.items() if path[: len(was)] == was}}
        for every in (document.values, document.keys)
    )
    return replace(document, values=values, keys=keys)
