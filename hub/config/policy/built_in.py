"""The policies that need not be written: YAML files beside this one, read by the same code as the user's own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hub.config.document import Document, parse
from hub.config.policy.layers import Layer, Layers
from hub.config.policy.written import RawPolicy

STANDARD = "standard"
_DIRECTORY = Path(__file__).with_name("built_in")


@cache
def built_in_names() -> frozenset[str]:
    """The names of the built-in policies."""
    return frozenset(file.stem for file in _DIRECTORY.glob("*.yaml"))


@cache
def built_in_layers(name: str) -> Layers:
    """The files of a built-in policy, the lowest first."""
    document, raw = built_in_file(name)
    below = Layers(()) if name == STANDARD else built_in_layers(raw.extends or STANDARD)
    return below.above(Layer(document, built_in=True))


@cache
def built_in_file(name: str) -> tuple[Document, RawPolicy]:
    """What is written in the file of a built-in policy.

    Raises:
        ValueError: the file is wrong, which no user can have done.
    """
    file = f"{name}.yaml"
    document, problems = parse(file, built_in_text(name))
    if document is None or problems:
        raise ValueError(f"{_DIRECTORY / file}: {problems}")
    return document, RawPolicy.model_validate(document.value)


def built_in_text(name: str) -> str:
    """The file of a built-in policy, to be read by people.

    Raises:
        OSError: there is none of this name.
    """
    return (_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")
