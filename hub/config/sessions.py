"""How the BGP sessions of a branch are made: its own words before the hub's; and the files of their passwords."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hub.config.problems import Place, Problem, error, warning
from hub.config.raw import RawBranch, RawHub
from hub.config.survey import Survey
from policies.model.intent import Session, SessionKind


def resolve_session(branch: RawBranch, hub: RawHub) -> Session:
    """The session of a branch; `password_file` is relative to `secrets` in the state directory, or absolute."""
    mine, default = branch.session, hub.session
    password_file = default.password_file if mine.password_file is None else mine.password_file
    ttl_security = default.ttl_security if mine.ttl_security is None else mine.ttl_security
    return Session(SessionKind(branch.bgp), password_file or None, bool(ttl_security))


def misplaced_passwords(looked: Survey, directory: Path) -> Iterator[Problem]:
    """Password files in the directory of the configuration, which is kept in version control."""
    for file, place in _password_files(looked):
        found = next(
            (path for path in (directory / file, directory / "secrets" / file) if _lies(path, directory)), None
        )
        if found is not None:
            text = f"password-file: {found} is in the configuration directory, which is kept in version control"
            yield error(
                place, text, "move it to secrets/ of the state directory, give it mode 0600, and change the password"
            )


def unsafe_passwords(looked: Survey, secrets: Path) -> Iterator[Problem]:
    """Warnings about password files, as far as this user can see them from here; `secrets` is where names are."""
    for file, place in _password_files(looked):
        path = secrets / file
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            if path.parent.is_dir():
                yield warning(place, f"password-file: there is no file {path}", "put the password there, mode 0600")
        except OSError:
            continue  # this user may not look, which is as it should be
        else:
            if mode & 0o077:
                text = f"password-file: {path} can be read by others (mode {mode:04o})"
                yield warning(place, text, f"chmod 600 {path}")


def _lies(path: Path, directory: Path) -> bool:
    try:
        return path.exists() and path.resolve().is_relative_to(directory.resolve())
    except OSError:
        return False


def _password_files(looked: Survey) -> Iterator[tuple[str, Place]]:
    """Each file once, and where it is written first."""
    seen: set[str] = set()
    if looked.hub is not None and (file := looked.hub.raw.session.password_file):
        seen.add(file)
        yield file, looked.hub.document.place(*looked.hub.at, "session", "password-file")
    for branch in looked.branches:
        file = branch.raw.session.password_file
        if file and file not in seen:
            seen.add(file)
            yield file, branch.document.place("session", "password-file")
