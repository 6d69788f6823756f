"""How the BGP sessions of a branch are made: its own words before the hub's; and the files of their passwords."""

from __future__ import annotations

from collections.abc import Iterator

from hub.config.problems import Place
from hub.config.raw import RawBranch, RawHub
from hub.config.secret_files import SecretFile
from hub.config.survey import Survey
from policies.model.intent import Session, SessionKind


def resolve_session(branch: RawBranch, hub: RawHub) -> Session:
    """The session of a branch; `password_file` is relative to `secrets` in the state directory, or absolute."""
    mine, default = branch.session, hub.session
    password_file = default.password_file if mine.password_file is None else mine.password_file
    ttl_security = default.ttl_security if mine.ttl_security is None else mine.ttl_security
    return Session(SessionKind(branch.bgp), password_file or None, bool(ttl_security))


def password_files(looked: Survey) -> Iterator[SecretFile]:
    """The files of passwords: each once, and where it is written first."""
    seen: set[str] = set()
    if looked.hub is not None and (file := looked.hub.raw.session.password_file):
        seen.add(file)
        yield _password(file, looked.hub.document.place(*looked.hub.at, "session", "password-file"))
    for branch in looked.branches:
        file = branch.raw.session.password_file
        if file and file not in seen:
            seen.add(file)
            yield _password(file, branch.document.place("session", "password-file"))


def _password(file: str, place: Place) -> SecretFile:
    return SecretFile("password-file", "password", file, place)
