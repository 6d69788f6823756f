"""A configuration directory, read whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.config.load import load
from hub.config.problems import Problem
from hub.config.resolve import resolve, survey
from policies.model.intent import Intent


@dataclass(frozen=True, slots=True)
class Configuration:
    """A Configuration is what a directory says, or why it cannot be used.

    `intent` is None if there is an error among the problems; warnings leave it there. `files` is how many were read.
    """

    directory: Path
    intent: Intent | None
    problems: tuple[Problem, ...]
    files: int


def read(directory: Path) -> Configuration:
    """Read a configuration directory. Never raises: whatever is wrong, a missing directory included, is a problem."""
    sources = load(directory)
    intent, problems = resolve(survey(sources))
    return Configuration(directory, intent, problems, sources.files)
