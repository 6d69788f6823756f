"""The files of scripts: where they are, what they may be called, and their text."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = "policies"
LARGEST_FILE = 256 << 10
"""Bytes."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,59}\.py")


class UnreadableScriptError(Exception):
    """The file of a script cannot be read; the text says why, `mend` what to do."""

    def __init__(self, text: str, mend: str, line: int = 0) -> None:
        self.mend = mend
        self.line = line
        super().__init__(text)


def label_of(name: str) -> str:
    """How a script's file is called in messages: `policies/even_out.py`."""
    return f"{FOLDER}/{name}"


def is_name(name: str) -> bool:
    """Whether a script can be called so: a plain name of lower case that ends in .py."""
    return _NAME.fullmatch(name) is not None


def read_script(directory: Path, name: str) -> str:
    """The text of a script of the configuration in `directory`.

    Raises:
        UnreadableScriptError: there is no such file, or it is no text of a bearable length.
    """
    file = directory / FOLDER / name
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UnreadableScriptError("there is no such file", _mend_missing(file)) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnreadableScriptError("is not UTF-8 text", "save it as UTF-8", line) from None
    except OSError as error:
        mend = f"let this user read it: ls -l {file}"
        raise UnreadableScriptError(f"cannot be read: {error.strerror}", mend) from None
    if len(data) > LARGEST_FILE:
        raise UnreadableScriptError(f"is larger than {LARGEST_FILE >> 10} kB", "make it shorter")
    return text.replace("\r\n", "\n")


def _mend_missing(file: Path) -> str:
    shipped = shipped_script(file.name)
    return f"cp {shipped} {file}" if shipped is not None else f"write {file} (docs/how-to/write-a-policy-script.md)"


def shipped_script(name: str) -> Path | None:
    """The example of this name that comes with Pointsman, None if there is none."""
    import policies.scripts.examples

    file = Path(policies.scripts.examples.__file__).with_name(name)
    return file if is_name(name) and file.is_file() else None
