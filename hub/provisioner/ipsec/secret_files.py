"""Secrets that the user puts into files: read here, handed on to charon's socket, and never shown."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.secret import Secret

LARGEST = 65_536
"""Bytes; nobody has a longer certificate."""


def read_secret(directory: Path, name: str) -> Secret:
    """The secret in a file that only root may read; a line break at its end is not part of it.

    Raises:
        ProvisionError: it is missing, empty, or others may read it.
    """
    return Secret(_read(directory, name, private=True).strip())


def read_public(directory: Path, name: str) -> str:
    """The text of a file that holds nothing secret, such as a certificate.

    Raises:
        ProvisionError: it is missing, empty, or no text.
    """
    try:
        return _read(directory, name, private=False).decode("ascii")
    except UnicodeDecodeError:
        raise ProvisionError(f"{name} is no PEM", f"write the certificate to {directory / name} as PEM") from None


def _read(directory: Path, name: str, *, private: bool) -> bytes:
    path = directory / name
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if private and stat.S_IMODE(about.st_mode) & 0o077:
                said = f"{name} may be read by others (mode {stat.S_IMODE(about.st_mode):04o})"
                raise ProvisionError(said, f"chmod 600 {path}; whoever read it knows it: write another secret")
            text = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ProvisionError(f"{name} is not there", f"write it to {path}, mode 0600") from None
    except OSError as error:
        raise ProvisionError(f"{name} cannot be read: {error.strerror}", f"look at {path}") from None
    if not text.strip():
        raise ProvisionError(f"{name} is empty", f"write it to {path}, mode 0600")
    if len(text) > LARGEST:
        raise ProvisionError(f"{name} is longer than {LARGEST} bytes", f"look at {path}")
    return text
