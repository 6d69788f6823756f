"""Writing the texts of a branch's router below a directory, as they lie on the router below `/`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.branch_router.texts import Text


class RefusedError(Exception):
    """Files are not written; the text says why, `mend` what helps."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


def write_all(directory: Path, made: Sequence[Text], *, force: bool) -> tuple[Path, ...]:
    """Write all, or none where one is there already with another text and `force` is not said; returns their paths.

    Each is written beside and put in its place, so that it is whole; those with keys can be read by their owner only.

    Raises:
        RefusedError: a file is there already, or cannot be written.
    """
    paths = [directory / text.path.lstrip("/") for text in made]
    try:
        there = [path for path, text in zip(paths, made, strict=True) if not force and _differs(path, text.text)]
        if there:
            raise RefusedError(f"{there[0]} is there already, with another text: nothing was written", "add --force")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, text in zip(paths, made, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, text)
    except OSError as error:
        where = error.filename or directory
        raise RefusedError(f"{where} cannot be written: {error.strerror}", "name another --directory") from error
    return tuple(paths)


def _differs(path: Path, text: str) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or path.read_bytes() != text.encode())


def _write(path: Path, text: Text) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            os.fchmod(file.fileno(), text.mode)
            file.write(text.text)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
