"""The passwords of BGP sessions (RFC 2385), read from the files that the configuration names.

A password appears nowhere but in its file and in ExaBGP's configuration: no message here holds any of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from policies.model.intent import Intent

LONGEST_PASSWORD = 80
"""TCP_MD5SIG_MAXKEYLEN of Linux."""

_USABLE = re.compile(r"[!-~]+")
_QUOTES = re.compile(r"[\"'\\]")


class PasswordError(Exception):
    """A password cannot be used; the text names its file, and the mend."""


def read_passwords(intent: Intent, secrets: Path) -> Mapping[str, str]:
    """The password in each file that a branch's session names, by its name there; short names are of `secrets`.

    Raises:
        PasswordError: a file cannot be read, or what it holds cannot be a password on both ends.
    """
    named = {branch.session.password_file: branch.name for branch in intent.branches.values()}
    return {file: read_password(secrets / file, branch) for file, branch in named.items() if file is not None}


def with_passwords(intent: Intent, secrets: Path) -> tuple[Intent, tuple[str, ...]]:
    """The intent without the branches whose password cannot be had, and why that is so."""
    left, problems = {}, []
    for name, branch in intent.branches.items():
        try:
            read_passwords(replace(intent, branches={name: branch}), secrets)
        except PasswordError as error:
            problems.append(str(error))
        else:
            left[name] = branch
    return replace(intent, branches=left), tuple(problems)


def with_digests(intent: Intent, secrets: Path) -> Intent:
    """The intent with the digest of each password that can be had, so that another text in a file is another intent."""
    files = {branch.session.password_file for branch in intent.branches.values()} - {None}
    digests = {file: _digest(secrets / file) for file in files if file is not None}
    if not digests:
        return intent
    branches = {
        name: replace(b, session=replace(b.session, password_digest=digests.get(b.session.password_file or "")))
        for name, b in intent.branches.items()
    }
    return replace(intent, branches=branches)


def _digest(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes().strip(b"\r\n")).hexdigest()
    except OSError:
        return None


def read_password(file: Path, branch: str) -> str:
    """The password of a branch's sessions, in this file.

    Raises:
        PasswordError: the file cannot be read, or what it holds cannot be a password on both ends.
    """
    where = f"{file}: the password of {branch}'s BGP sessions"
    try:
        if file.stat().st_mode & 0o077:
            raise PasswordError(f"{where} can be read by others: chmod 600 {file}")
        password = file.read_bytes().strip(b"\r\n").decode("ascii")
    except UnicodeDecodeError:
        # Its text would hold a part of the password.
        raise PasswordError(f"{where} has characters beyond ASCII: use plain letters, digits and signs") from None
    except OSError as error:
        mend = (
            "write it there, readable for pointsman only"
            if isinstance(error, FileNotFoundError)
            else "make it readable"
        )
        raise PasswordError(f"{where} cannot be read ({error.strerror}): {mend}") from None
    if not password:
        raise PasswordError(f"{where} is empty: write it there, on one line")
    if len(password) > LONGEST_PASSWORD:
        raise PasswordError(f"{where} has {len(password)} characters: at most {LONGEST_PASSWORD} are possible")
    if _USABLE.fullmatch(password) is None:
        raise PasswordError(f"{where} has spaces or line breaks: use one word")
    if _QUOTES.search(password):
        raise PasswordError(f"{where} has a quote or a backslash, which routers read in different ways: leave it out")
    return password
