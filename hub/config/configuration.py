"""A configuration directory, read whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub.config.load import load
from hub.config.problems import Problem, has_errors, in_order
from hub.config.resolve import resolve, survey
from hub.config.sessions import misplaced_passwords, unsafe_passwords
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

    @property
    def removes_everything(self) -> bool:
        """Whether it can be used and has no branch at all, as in the middle of a checkout: nobody means that unasked."""
        return self.intent is not None and not self.intent.branches


def read(directory: Path, *, secrets: Path | None = None) -> Configuration:
    """Read a configuration directory. Never raises: whatever is wrong, a missing directory included, is a problem.

    `secrets` is where the files of passwords are, for warnings about those that can be seen; None looks at none.
    """
    sources = load(directory)
    looked = survey(sources)
    intent, found = resolve(looked)
    passwords = list(misplaced_passwords(looked, directory))
    passwords += unsafe_passwords(looked, secrets) if secrets else []
    problems = in_order([*found, *passwords]) if passwords else found
    return Configuration(directory, None if has_errors(passwords) else intent, problems, sources.files)
