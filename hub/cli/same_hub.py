"""Printed commands that are about the hub that was asked: `--name` or `--run-dir` is said again in them. Pure."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from hub.cli.hub_files import said_again
from hub.cli.screen import Parts

ASKING = (
    "apply",
    "confirm",
    "drain",
    "failback",
    "freeze",
    "keys forget",
    "keys list",
    "keys rotate",
    "overrides",
    "plan",
    "rollback",
    "status",
    "switch",
    "tunnels",
    "undrain",
    "unfreeze",
    "unswitch",
    "usual reset",
    "why",
)
"""The commands that ask a running hub: they have both options."""
OF_FILES = ("firewall apply", "firewall check", "firewall print", "router print")
"""The commands that read a hub's files: they know a lab by its name, and no sockets."""


def same_hub(text: str, options: argparse.Namespace) -> str:
    """The text, whose commands are about the hub that these options of a command line name."""
    return "".join(f"{part}{words}" for part, words in _parts(text, options))


def same_hub_view(view: RenderableType, options: argparse.Namespace) -> RenderableType:
    """The same view, whose texts are changed in place like `same_hub` does it."""
    if isinstance(view, Text):
        parts = list(_parts(view.plain, options))
        if len(parts) > 1:
            _insert(view, parts)
        return view
    for inner in _inside(view):
        same_hub_view(inner, options)
    return view


def _inside(view: RenderableType) -> Iterator[RenderableType]:
    if isinstance(view, Group):
        yield from view.renderables
    elif isinstance(view, Parts):
        yield from view.parts
    elif isinstance(view, Table):
        for column in view.columns:
            yield from column.cells
    elif isinstance(view, Tree):
        yield view.label
        yield from view.children


def _insert(text: Text, parts: list[tuple[str, str]]) -> None:
    """Put words after each part, by which styles do not move."""
    ends, at = [], 0
    for part, _ in parts[:-1]:
        at += len(part)
        ends.append(at)
    pieces = text.divide(ends)
    text.plain, text.spans = "", []
    for piece, (_, words) in zip(pieces, parts, strict=True):
        text.append_text(piece).append(words)


def _parts(text: str, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The pieces of a text, each with what is to be said after it; the last with nothing."""
    at = 0
    for found in _COMMAND.finditer(text):
        words = said_again(options, "name", *(["run_dir"] if found["asking"] is not None else []))
        if words:
            yield text[at : found.end()], words
            at = found.end()
    yield text[at:], ""


_COMMAND = re.compile(
    rf"\bpointsman (?:(?P<asking>{'|'.join(ASKING)})|{'|'.join(OF_FILES)})\b(?! --(?:name|run-dir)\b)(?!-)"
)
