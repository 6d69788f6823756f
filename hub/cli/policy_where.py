"""Which configurations, and which files of tests in them, the commands of policies are about."""

from __future__ import annotations

from pathlib import Path

from hub.config.directory import find_directory
from hub.config.load import NETWORK


def chosen(paths: list[str]) -> list[tuple[Path, list[str] | None]]:
    """Each configuration that is meant, with the files of tests in it; None for all of them."""
    if not paths:
        return [(find_directory(None, Path.cwd()), None)]
    found: dict[Path, list[str] | None] = {}
    for path in map(Path, paths):
        if path.is_dir() or not path.suffix:
            found[path] = None
            continue
        directory = configuration_of(path)
        files = found.setdefault(directory, [])
        if files is not None:
            files.append(_label(path, directory))
    return list(found.items())


def configuration_of(file: Path) -> Path:
    """The nearest directory above the file that is a configuration, else the present or the system's one."""
    for parent in file.parents:
        if (parent / NETWORK).is_file():
            return parent
    for parent in file.absolute().parents:
        if (parent / NETWORK).is_file():
            return parent
    return find_directory(None, Path.cwd())


def _label(file: Path, directory: Path) -> str:
    """The file's name below the directory, or its whole path if it is elsewhere."""
    whole = file.absolute()
    return str(whole.relative_to(directory.absolute()) if whole.is_relative_to(directory.absolute()) else whole)
