"""A new secret beside the one in force, in `secrets`, and how far exchanging them is: files that only root has.

    bandung-fiber.psk             the secret in force, until the new one takes its name
    .bandung-fiber.psk.next       the new one; no psk-file can be called so
    .bandung-fiber.psk.exchange   whose it is, what it takes the place of, and how far that is

Both count only together, and only as long as the secret in force is the one that they were made for: whoever writes
another one there by hand has said what counts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.secret_files import read_secret
from hub.provisioner.keys.files import check_owner, read_text, sync_directory, write_whole, writing
from hub.provisioner.keys.secret import Secret

_BYTES = 32
"""Of chance in a new secret: more than any proposal's PRF takes (RFC 7296, section 2.15)."""


class Stage(StrEnum):
    """How far an exchange is: from `SWITCHING` to `GOING_BACK` charon may have either secret."""

    STAGED = "staged"
    SWITCHING = "switching"
    SWITCHED = "switched"
    GOING_BACK = "going back"


@dataclass(frozen=True, slots=True)
class Exchange:
    """An Exchange is what stands beside a new secret. `replaces` is a salted digest of the one in force.

    `floor` is the largest number of an SA of this tunnel that was ended when charon had the new one, and `charon` when
    that daemon was started: another one counts anew.
    """

    tunnel: str
    stage: Stage
    salt: str = field(repr=False)
    replaces: str = field(repr=False)
    floor: int = 0
    charon: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the new secret is the one that charon is to have."""
        return self.stage in (Stage.SWITCHING, Stage.SWITCHED)


class SecretFiles:
    """A SecretFiles is the secrets of tunnels in their directory. Every method raises ProvisionError.

    A `file` is the name of a psk-file.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def present(self, file: str) -> Secret:
        """The secret in force."""
        return read_secret(self.directory, file)

    def in_use(self, tunnel: str, file: str) -> Secret:
        """The one that charon is to have now."""
        exchange = self.exchange(tunnel, file)
        return self._new(file) if exchange is not None and exchange.is_taken else self.present(file)

    def staged(self, tunnel: str, file: str) -> Secret | None:
        """The new one, while this tunnel's secret is being exchanged."""
        return None if self.exchange(tunnel, file) is None else self._new(file)

    def exchange(self, tunnel: str, file: str) -> Exchange | None:
        """How far exchanging the secret of this tunnel is; None where that was not begun, or is over."""
        found = self._noted(file)
        if found is None or found.tunnel != tunnel or not os.path.lexists(self._next(file)):
            return None
        return found if found.replaces == _digest(found.salt, self.present(file)) else None

    def since(self, file: str) -> float | None:
        """Since when a new one stands beside this file, in seconds of the wall clock. Reads nothing."""
        try:
            self._note(file).lstat()
            return self._next(file).lstat().st_mtime
        except OSError:
            return None

    def check(self, file: str) -> None:
        """Raise why a new secret could not take the place of this one."""
        path = self.directory / file
        about = _lstat(self.directory)
        if not stat.S_ISDIR(about.st_mode) or about.st_mode & 0o022:
            text = f"{self.directory} is no directory that only root may write"
            raise ProvisionError(text, f"chown root {self.directory}; chmod 750 {self.directory}")
        check_owner(self.directory, about)
        if not stat.S_ISREG(_lstat(path).st_mode):
            text = f"{path} is no ordinary file: a new secret in its place would not be where it comes from"
            raise ProvisionError(text, f"write the secret itself to {path}, mode 0600, or exchange it where it is made")
        if not os.access(self.directory, os.W_OK):
            text = f"{self.directory} cannot be written"
            raise ProvisionError(text, "be root, and see that it is on a disk that can be written")
        self.present(file)

    def begin(self, tunnel: str, file: str) -> Exchange:
        """Put a new secret beside the one in force; what is there already, if it was begun before."""
        begun = self.exchange(tunnel, file)
        if begun is not None:
            return begun
        self.abandon(file)
        salt = secrets.token_hex(_BYTES)
        exchange = Exchange(tunnel, Stage.STAGED, salt, _digest(salt, self.present(file)))
        self.mark(file, exchange)
        write_whole(self._next(file), base64.b64encode(secrets.token_bytes(_BYTES)).decode() + "\n")
        return exchange

    def mark(self, file: str, exchange: Exchange) -> None:
        """Note how far it is."""
        write_whole(self._note(file), json.dumps(asdict(exchange)))

    def commit(self, file: str) -> None:
        """The new secret is the one in force from now on, and the old one is gone."""
        with writing(self.directory / file):
            self._next(file).replace(self.directory / file)  # this decides: whoever reads sees the new one
            sync_directory(self.directory)
        self.abandon(file)

    def abandon(self, file: str) -> None:
        """What stands beside the secret in force is gone."""
        with writing(self._note(file)):
            self._note(file).unlink(missing_ok=True)  # first: a new secret alone means nothing
            self._next(file).unlink(missing_ok=True)
            sync_directory(self.directory)

    def _new(self, file: str) -> Secret:
        return read_secret(self.directory, self._next(file).name)

    def _next(self, file: str) -> Path:
        return self.directory / f".{file}.next"

    def _note(self, file: str) -> Path:
        return self.directory / f".{file}.exchange"

    def _noted(self, file: str) -> Exchange | None:
        text = read_text(self._note(file), private=True)
        if text is None:
            return None
        try:
            found = Exchange(**json.loads(text))
            return replace(found, stage=Stage(found.stage), floor=int(found.floor))
        except (ValueError, TypeError):
            mend = "remove it, then pointsman apply: the secret in force is loaded again"
            raise ProvisionError(f"{self._note(file)} cannot be understood", mend) from None


def _digest(salt: str, secret: Secret) -> str:
    return hashlib.blake2b(secret.reveal_bytes(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def _lstat(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except OSError as error:
        raise ProvisionError(f"{path} cannot be read: {error.strerror}", "be root, and see what it is") from None
