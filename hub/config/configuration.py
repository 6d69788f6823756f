"""A configuration directory, read whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hub.config.as_table import as_numbers_of
from hub.config.checks import missing_programs
from hub.config.load import load
from hub.config.problems import Problem, has_errors, in_order
from hub.config.programs import programs_of
from hub.config.resolve import resolve, survey
from hub.config.secret_files import misplaced, unsafe
from hub.config.sessions import password_files
from hub.config.transports import ipsec_files
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


def read(directory: Path, *, secrets: Path | None = None, origin: Path | None = None) -> Configuration:
    """Read a configuration directory. Never raises: whatever is wrong, a missing directory included, is a problem.

    `secrets` is where the files of secrets are, for warnings about those that can be seen; None looks at none.
    `origin` is the directory that this one is a copy of: no secret may lie there either.
    """
    sources = load(directory)
    looked = survey(sources)
    intent, found = resolve(looked)
    numbers, of_numbers = as_numbers_of(looked)
    if intent is not None:
        signs = replace(intent.shared_fate, as_numbers=numbers)
        intent = replace(intent, programs=programs_of(directory, intent), shared_fate=signs)
    files = [*password_files(looked), *ipsec_files(looked)]
    of_secrets = list(misplaced(files, origin or directory))
    of_secrets += unsafe(files, secrets) if secrets else []
    beside = [*of_secrets, *of_numbers, *missing_programs(looked, directory, origin or directory)]
    problems = in_order([*found, *beside]) if beside else found
    intent = None if has_errors([*of_secrets, *of_numbers]) else intent
    return Configuration(directory, intent, problems, sources.files)
