"""The store of WireGuard's keys. One process writes it at a time (the provisioner, by its lock); root may read it."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys import folder
from hub.provisioner.keys.completing import completed
from hub.provisioner.keys.files import (
    check_directory,
    make_directory,
    read_text,
    sync_directory,
    write_whole,
    writing,
)
from hub.provisioner.keys.folder import Parts, TunnelKeys

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*", re.ASCII)
_NEXT, _TAKEN, _DROPPED, _UNFINISHED = "next", "taken", "dropped", "unfinished"
_SWITCHED = "switched"


@dataclass(frozen=True, slots=True)
class KeyAge:
    """A KeyAge is what may be told of a tunnel's keys: nothing of it is secret.

    `made` is in seconds of the wall clock, None where nothing says it. `hub_public` is the hub's public key.
    `branch_made_its_own`: the branch's private key is not here. `exchanging_since`: new keys stand beside these, since
    then. `fault` is why the files are not believed.
    """

    made: float | None
    hub_public: str | None = None
    branch_made_its_own: bool = False
    preshared: bool = False
    exchanging_since: float | None = None
    fault: str | None = None


class KeyStore:
    """A KeyStore is the keys of all tunnels, in a directory such as /var/lib/pointsman/keys. It remembers nothing.

    Tunnels are written `bandung/fiber`. Every method raises ProvisionError where a file or the directory may not be
    believed (its owner, its mode, what it holds) or can't be written; the text has no key in it.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self._clock = clock

    def of(self, tunnel: str) -> TunnelKeys | None:
        """The keys in force; None where some are still to be made."""
        found = self._parts(tunnel)
        return None if found is None else found.whole()

    def public(self, tunnel: str) -> tuple[str, str] | None:
        """The public keys in force, the hub's and the branch's."""
        keys = self.of(tunnel)
        return None if keys is None else (keys.hub_public, keys.branch_public)

    def tunnels(self) -> tuple[str, ...]:
        """All that have keys here, in order of name."""
        if not check_directory(self.directory):
            return ()
        found = (str(path.relative_to(self.directory)) for path in self.directory.glob("*/*") if path.is_dir())
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def ages(self) -> Mapping[str, KeyAge]:
        """What may be told of all keys, by tunnel. A tunnel whose files are wrong hides no other one."""
        return {tunnel: self._age(tunnel) for tunnel in self.tunnels()}

    def make(self, tunnels: Iterable[str], *, preshared: Collection[str] = ()) -> tuple[str, ...]:
        """Make what is missing of their keys, a preshared one for those named there too; the tunnels that got some."""
        make_directory(self.directory)
        found = {tunnel: self._parts(tunnel, finish=True) or Parts() for tunnel in tunnels}
        lacking = [
            tunnel
            for tunnel, parts in found.items()
            if parts.whole() is None or (parts.preshared is None and tunnel in preshared)
        ]
        wanted = [tunnel in preshared for tunnel in lacking]
        made = completed([found[tunnel] for tunnel in lacking], preshared=wanted, at=self._clock())
        for tunnel, keys in zip(lacking, made, strict=True):
            place = self._place(tunnel)
            make_directory(place.parent)
            make_directory(place)
            folder.write(place, keys)
        return tuple(lacking)

    def forget(self, tunnel: str) -> bool:
        """Remove all keys of a tunnel that is no more; whether there were any."""
        place = self._place(tunnel)
        if not check_directory(self.directory) or not place.is_dir():
            return False
        with writing(place):
            shutil.rmtree(place)
            with contextlib.suppress(OSError):  # other tunnels of the branch have keys
                place.parent.rmdir()
        return True

    def staged(self, tunnel: str) -> TunnelKeys | None:
        """The new keys that stand beside those in force."""
        place = self._place(tunnel) / _NEXT
        return folder.read(place).whole() if check_directory(place) else None

    def begin_rotation(self, tunnel: str) -> TunnelKeys:
        """Make new keys beside those in force; those that are there already, if it was begun before.

        A branch that made its own key keeps it. A preshared key is new where there is one.
        """
        if (begun := self.staged(tunnel)) is not None:
            return begun
        parts = self._parts(tunnel, finish=True)
        present = parts.whole() if parts is not None else None
        if present is None:
            raise ProvisionError(f"{tunnel} has no keys to exchange", "make the tunnel first: pointsman apply")
        keep = Parts(branch_public=present.branch_public) if present.branch is None else Parts()
        new = completed([keep], preshared=[present.preshared is not None], at=self._clock())[0]
        place = self._place(tunnel)
        unfinished = place / _UNFINISHED
        with writing(place):
            shutil.rmtree(unfinished, ignore_errors=True)
            make_directory(unfinished)
            folder.write(unfinished, new)
            unfinished.rename(place / _NEXT)
            sync_directory(place)
        return self.staged(tunnel) or _gone(place / _NEXT)

    def mark_switched(self, tunnel: str, handshake_at: float) -> None:
        """The hub's end is about to use the new keys, and the last handshake with that peer was then (0: none)."""
        write_whole(self._place(tunnel) / _NEXT / _SWITCHED, f"{handshake_at:.9f}\n")

    def switched(self, tunnel: str) -> float | None:
        """What `mark_switched` was told last; None while the hub's end uses the keys in force."""
        text = read_text(self._place(tunnel) / _NEXT / _SWITCHED, private=False)
        try:
            return float(text) if text else None
        except ValueError:
            return None

    def commit_rotation(self, tunnel: str) -> None:
        """The new keys are those in force from now on, and the old ones are gone; nothing is done without new ones."""
        place = self._place(tunnel)
        if self.staged(tunnel) is not None:
            with writing(place):
                (place / _NEXT).rename(place / _TAKEN)  # this decides: whoever reads sees the new ones
                sync_directory(place)
        self._finish(place)

    def abandon_rotation(self, tunnel: str) -> None:
        """The new keys are gone, and those in force stay; nothing is done without new ones."""
        place = self._place(tunnel)
        if not check_directory(place / _NEXT):
            return
        with writing(place):
            shutil.rmtree(place / _DROPPED, ignore_errors=True)
            (place / _NEXT).rename(place / _DROPPED)
            shutil.rmtree(place / _DROPPED)
            sync_directory(place)

    def _place(self, tunnel: str) -> Path:
        if _NAME.fullmatch(tunnel) is None:
            raise ProvisionError(f'"{tunnel[:80]}" is no tunnel', "write it like bandung/fiber")
        return self.directory / tunnel

    def _parts(self, tunnel: str, *, finish: bool = False) -> Parts | None:
        place = self._place(tunnel)
        if not check_directory(self.directory) or not check_directory(place):
            return None
        if finish:
            self._finish(place)
        taken = place / _TAKEN
        return folder.read(taken, place) if check_directory(taken) else folder.read(place)

    def _finish(self, place: Path) -> None:
        """Put in place what was taken, where that was interrupted."""
        taken = place / _TAKEN
        if not check_directory(taken):
            return
        with writing(place):
            for name in folder.NAMES:
                with contextlib.suppress(FileNotFoundError):
                    (taken / name).rename(place / name)
            sync_directory(place)
            shutil.rmtree(taken)

    def _age(self, tunnel: str) -> KeyAge:
        place = self._place(tunnel)
        try:
            made = folder.made_in(place / _TAKEN, place)
            parts = self._parts(tunnel) or Parts()
            since = folder.made_in(place / _NEXT) if check_directory(place / _NEXT) else None
        except ProvisionError as error:
            return KeyAge(None, fault=str(error))
        own = parts.branch is None and parts.branch_public is not None
        return KeyAge(made, parts.hub_public, own, parts.preshared is not None, since)


def _gone(path: Path) -> TunnelKeys:
    raise ProvisionError(f"{path} was removed by somebody else", "try again")
