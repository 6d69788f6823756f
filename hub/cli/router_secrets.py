"""The secrets of a branch's end, read from their files here: they pass through no socket."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

from hub.branch_router.end import BranchEnd
from hub.branch_router.secrets import Keys, Secrets
from hub.control.places import Places
from hub.provisioner.changes import ProvisionError
from policies.model.intent import Branch


class LackingError(Exception):
    """A secret that was asked for cannot be had; the text says which and why, `mend` what helps."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Mends:
    """A Mends is what helps, as commands without the word `pointsman`: to print all again, and to have keys made."""

    again: str
    make: str = "apply"


def secrets_of(
    branch: Branch, end: BranchEnd, state: Path, mends: Mends, *, with_keys: bool, keys: Keys | None = None
) -> tuple[Secrets, tuple[str, ...]]:
    """What may be shown, and what is to be said beside it; private keys and passwords only `with_keys`.

    Raises:
        LackingError: with keys, and one is not there or cannot be read.
    """
    places = Places(state=state)
    found = _Found(with_keys, mends)
    store = keys if keys is not None else key_store(places)
    for tunnel, _ in end.wireguard():
        _add_keys(found, store, tunnel.name)
    if not with_keys:
        hidden = [*found.hidden, *(tunnel.name for tunnel, carrier in end.ipsec() if carrier.secret_file is not None)]
        return found.secrets, (*found.notes, *_how_to_see(branch, hidden, mends))
    for tunnel, carrier in end.ipsec():
        if carrier.secret_file is not None:
            found.preshared[tunnel.name] = _read_secret(places.secrets / carrier.secret_file, tunnel.name)
    return replace(found.secrets, password=_password(branch, places.secrets)), tuple(found.notes)


@dataclass(slots=True)
class _Found:
    with_keys: bool
    mends: Mends
    private: dict[str, str] = field(default_factory=dict, repr=False)
    preshared: dict[str, str] = field(default_factory=dict, repr=False)
    hub_public: dict[str, str] = field(default_factory=dict)
    own_public: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> Secrets:
        return Secrets(None, self.private, self.preshared, self.hub_public, self.own_public)


def _add_keys(found: _Found, store: Keys, tunnel: str) -> None:
    try:
        keys = store.of(tunnel)
    except ProvisionError as error:
        if found.with_keys:
            raise LackingError(str(error), error.mend) from error
        found.hidden.append(tunnel)
        return
    if keys is None:
        text, mend = f"{tunnel} has no keys yet", f"pointsman {found.mends.make} makes them"
        if found.with_keys:
            raise LackingError(text, mend)
        found.notes.append(f"{text}: {mend}")
        return
    found.hub_public[tunnel], found.own_public[tunnel] = keys.hub_public, keys.branch_public
    if keys.branch is None:
        found.notes.append(f"{tunnel}: the branch made its own key, and only the branch has it")
    if not found.with_keys:
        found.hidden.append(tunnel)
        return
    if keys.branch is not None:
        found.private[tunnel] = keys.branch.reveal()
    if keys.preshared is not None:
        found.preshared[tunnel] = keys.preshared.reveal()


def _how_to_see(branch: Branch, hidden: list[str], mends: Mends) -> list[str]:
    if not hidden and branch.session.password_file is None:
        return []
    return [f"private keys and passwords are left out: sudo pointsman {mends.again} --with-keys"]


def _password(branch: Branch, secrets: Path) -> str | None:
    from hub.bgp.passwords import PasswordError, read_password

    if branch.session.password_file is None:
        return None
    try:
        return read_password(secrets / branch.session.password_file, branch.name)
    except PasswordError as error:
        text, _, mend = str(error).rpartition(": ")
        raise LackingError(text, mend) from error


def _read_secret(path: Path, tunnel: str) -> str:
    where = f"{path}: the pre-shared key of {tunnel}"
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(65_536).strip()
    except OSError as error:
        raise LackingError(f"{where} cannot be read: {error.strerror}", "write it there, mode 0600; be root") from error
    if mode & 0o077:
        raise LackingError(f"{where} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    try:
        if text:
            return text.decode()
    except UnicodeDecodeError:
        raise LackingError(f"{where} is no text", "write letters, digits and signs, on one line") from None
    raise LackingError(f"{where} is empty", "write it there, on one line")


def key_store(places: Places) -> Keys:
    """The store of this hub's WireGuard keys."""
    from hub.provisioner.keys.store import KeyStore

    return KeyStore(places.state / "keys")
