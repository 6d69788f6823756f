"""Files that hold secrets: that they are not where everybody reads, and that a secret is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log2
from pathlib import Path

from hub.config.problems import Place, Problem, error, warning

SHORTEST_SECRET = 20
"""Characters of a preshared key (RFC 7296, section 2.15, asks for as much randomness as the strongest key)."""
LEAST_BITS = 50.0
"""Twenty random characters are estimated at more than sixty; words that repeat, at less than forty."""
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A SecretFile is a file that the configuration names: under which key, and where; `file` is relative to `secrets`.

    `holds` is what is in it: `password`, `secret`, `key`. `public`: everybody may read it. `shared`: both ends have it,
    and perhaps somebody thought it out.
    """

    key: str
    holds: str
    file: str
    place: Place
    public: bool = False
    shared: bool = False


def misplaced(files: Iterable[SecretFile], directory: Path) -> Iterator[Problem]:
    """Secrets in the directory of the configuration, which is kept in version control."""
    for each in files:
        here = (directory / each.file, directory / "secrets" / each.file)
        found = next((path for path in here if not each.public and _lies(path, directory)), None)
        if found is not None:
            text = f"{each.key}: {found} is in the configuration directory, which is kept in version control"
            mend = f"move it to secrets/ of the state directory, give it mode 0600, and change the {each.holds}"
            yield error(each.place, text, mend)


def unsafe(files: Iterable[SecretFile], secrets: Path) -> Iterator[Problem]:
    """Warnings about such files, as far as this user can see them from here.

    `secrets` is where names are, a directory of the hub's state. Where there is no such state this is no hub, and what
    is missing is missing elsewhere.
    """
    for each in files:
        path = secrets / each.file
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            if path.parent.is_dir() or secrets.parent.is_dir():
                mode_word = "" if each.public else ", mode 0600"
                mend = f"put the {each.holds} there{mode_word}"
                yield warning(each.place, f"{each.key}: there is no file {path}", mend)
        except OSError:
            continue  # this user may not look, which is as it should be
        else:
            if mode & 0o077 and not each.public:
                text = f"{each.key}: {path} can be read by others (mode {mode:04o})"
                yield warning(each.place, text, f"chmod 600 {path}")
            if each.shared:
                yield from _weak(each, path)


def _weak(each: SecretFile, path: Path) -> Iterator[Problem]:
    """That a shared secret can be guessed. Nothing of it is said but its length."""
    try:
        with path.open("rb") as opened:
            text = opened.read(_LARGEST).decode("utf-8", errors="replace").strip()
    except OSError:
        return
    mend = f"make another, at both ends: openssl rand -base64 33 > {path}"
    if len(text) < SHORTEST_SECRET:
        what = f"{len(text)} characters" if text else "empty"
        yield warning(each.place, f"{each.key}: {path} is {what}: at least {SHORTEST_SECRET} are wanted", mend)
    elif guessed_bits(text) < LEAST_BITS:
        yield warning(each.place, f"{each.key}: {path} is long, but repeats itself: it can be guessed", mend)


def guessed_bits(secret: str) -> float:
    """At most how many bits of chance are in a secret, by what can be seen of it: its letters, repeats and rows.

    A character that continues a row (`3456`, `aaaa`) or a part that stood before adds nothing. What words are is not
    known here, so that a sentence is overrated.
    """
    if not secret:
        return 0.0
    counts = Counter(secret)
    per_letter = sum(-count / len(secret) * log2(count / len(secret)) for count in counts.values())
    return per_letter * sum(1 for _ in _new_letters(secret))


def _new_letters(secret: str) -> Iterator[str]:
    """The letters that do not follow from those before; of a part that stood before, its first."""
    position = 0
    while position < len(secret):
        yield secret[position]
        length = _repeated(secret, position)
        position += length if length > 2 else 1
        while 1 < position < len(secret) and _in_row(secret, position):
            position += 1


def _repeated(secret: str, position: int) -> int:
    """How many characters from here on stood before in one piece."""
    length = 0
    while position + length < len(secret) and secret.find(secret[position : position + length + 1]) < position:
        length += 1
    return length


def _in_row(secret: str, position: int) -> bool:
    before, last, here = map(ord, secret[position - 2 : position + 1])
    return here - last == last - before and abs(here - last) <= 1


def _lies(path: Path, directory: Path) -> bool:
    try:
        return path.exists() and path.resolve().is_relative_to(directory.resolve())
    except OSError:
        return False
