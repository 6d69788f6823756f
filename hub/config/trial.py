"""What a configuration directory would be with some files changed: found out on a copy, so that nothing is touched."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hub.config.applied import files_of
from hub.config.problems import Problem


@contextmanager
def trial(directory: Path, changes: Mapping[str, str | None]) -> Iterator[Path]:
    """A copy of the directory for a while, with these files as this text says; None takes a file away.

    Raises:
        OSError: a file cannot be read, or there is no room for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="pointsman-") as place:
        copy = Path(place) / "configuration"
        copy.mkdir()
        for file in files_of(directory):
            target = copy / file.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        for name, text in changes.items():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.unlink(missing_ok=True)
            else:
                target.write_text(text, encoding="utf-8")
        yield copy


def of_the_original(problems: Iterable[Problem], copy: Path, directory: Path) -> tuple[Problem, ...]:
    """The same problems, in the words of the directory that was copied."""
    return tuple(
        replace(
            problem,
            text=problem.text.replace(str(copy), str(directory)),
            mend=problem.mend and problem.mend.replace(str(copy), str(directory)),
        )
        for problem in problems
    )
