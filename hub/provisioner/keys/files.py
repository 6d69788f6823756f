"""Reading and writing a file of a key: nothing is believed that others may have written, nothing is half written."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hub.provisioner.changes import ProvisionError

LARGEST = 1024
"""Bytes; a key has 45."""
KEY_BYTES = 32


def is_key(text: str) -> bool:
    """Whether this is a key as WireGuard writes it: 32 bytes in base64, not all zero (wg(8))."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(found) == KEY_BYTES and any(found) and base64.b64encode(found).decode() == text


def read_key(path: Path, *, private: bool) -> str | None:
    """The key in a file; None if there is no such file.

    Raises:
        ProvisionError: it is somebody else's, others may read it (a private one) or write it, or it holds no key.
    """
    text = read_text(path, private=private)
    if text is None:
        return None
    if not text:
        raise ProvisionError(
            f"{path} is empty", f"put the key back from a backup, or remove {path.parent} for new keys"
        )
    if not is_key(text):
        mend = f"put the key back from a backup, or remove {path.parent} for new keys"
        raise ProvisionError(f"{path} holds no WireGuard key (44 characters of base64)", mend)
    return text


def read_text(path: Path, *, private: bool) -> str | None:
    """What is in a small file, without white space around it; None if there is no such file.

    Raises:
        ProvisionError: it cannot be read, or others may read it (a private one) or write it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        mend = f"see what it is: ls -l {path.parent}"
        raise ProvisionError(f"{path} cannot be read: {error.strerror}", mend) from None
    try:
        _check(path, os.fstat(descriptor), private=private)
        return os.read(descriptor, LARGEST).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)


def _check(path: Path, found: os.stat_result, *, private: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ProvisionError(f"{path} is no ordinary file", f"remove it: nothing but keys belongs into {path.parent}")
    check_owner(path, found)
    forbidden = 0o077 if private else 0o022
    if found.st_mode & forbidden:
        what = "read" if private else "written"
        text = f"{path} can be {what} by others (mode {stat.S_IMODE(found.st_mode):04o})"
        raise ProvisionError(text, f"chmod 600 {path}, and exchange the key if somebody may have seen it")


def check_owner(path: Path, found: os.stat_result) -> None:
    """It belongs to root, or to whoever we are.

    Raises:
        ProvisionError: it does not.
    """
    if found.st_uid not in {0, os.geteuid()}:
        text = f"{path} belongs to user {found.st_uid}, and not to root"
        raise ProvisionError(text, f"chown root {path}, if you know how that came")


def make_directory(path: Path) -> None:
    """A directory for its owner only, that may be there already.

    Raises:
        ProvisionError: it cannot be made, is somebody else's, or others may look into it.
    """
    with writing(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_directory(path)


def check_directory(path: Path) -> bool:
    """Whether there is such a directory.

    Raises:
        ProvisionError: it is none, is somebody else's, or others may look into it.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ProvisionError(f"{path} cannot be read: {error.strerror}", "be root") from None
    if not stat.S_ISDIR(found.st_mode):
        raise ProvisionError(f"{path} is no directory", "move it away")
    check_owner(path, found)
    if found.st_mode & 0o077:
        text = f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
        raise ProvisionError(text, f"chmod 700 {path}, and exchange the keys if somebody may have seen them")
    return True


def write_whole(path: Path, text: str, *, text_lasts: bool = True, name_lasts: bool = True) -> None:
    """Write a file of mode 0600 beside, make sure of it, and put it in place: it is the old one or the new one, whole.

    Args:
        path: of the file.
        text: all that is in it.
        text_lasts: make sure of the text before it is put in place; not needed for what means nothing after a boot.
        name_lasts: make sure of the directory too; else the caller does, once for many files.

    Raises:
        ProvisionError: it cannot be written (a full disk, no such directory); the old one stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(text)
                file.flush()
                if text_lasts:
                    os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        if name_lasts:
            sync_directory(path.parent)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What fails within is a failure to write there.

    Raises:
        ProvisionError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise _not_written(path, error) from None


def sync_directory(path: Path) -> None:
    """Make sure that what was made, renamed or removed in a directory stays so.

    Raises:
        OSError: it cannot be.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(path: Path, error: OSError) -> ProvisionError:
    mend = "make room on that disk" if error.errno in _FULL else "be root, and see that the directory is there"
    return ProvisionError(f"{path} cannot be written: {error.strerror}", mend)


_FULL = frozenset({28, 122})
"""ENOSPC, EDQUOT."""
