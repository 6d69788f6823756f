"""The keys of one tunnel, in one folder."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.files import read_key, read_text, sync_directory, write_whole, writing
from hub.provisioner.keys.secret import Secret

HUB_KEY, HUB_PUBLIC = "hub.key", "hub.pub"
BRANCH_KEY, BRANCH_PUBLIC = "branch.key", "branch.pub"
PRESHARED, MADE = "preshared.key", "made"
NAMES = (HUB_KEY, HUB_PUBLIC, BRANCH_KEY, BRANCH_PUBLIC, PRESHARED, MADE)


@dataclass(frozen=True, slots=True)
class TunnelKeys:
    """A TunnelKeys is all keys of a tunnel. `branch` is None where the branch made its own: only it has that.

    `made` is when the hub's own was made, in seconds of the wall clock.
    """

    hub: Secret
    hub_public: str
    branch: Secret | None
    branch_public: str
    preshared: Secret | None
    made: float


@dataclass(frozen=True, slots=True)
class Parts:
    """A Parts is what is there of a tunnel's keys; half of them may be missing, where making them was interrupted."""

    hub: Secret | None = None
    hub_public: str | None = None
    branch: Secret | None = None
    branch_public: str | None = None
    preshared: Secret | None = None
    made: float | None = None

    def whole(self) -> TunnelKeys | None:
        """The keys, if none is missing."""
        if self.hub is None or self.hub_public is None or self.branch_public is None or self.made is None:
            return None
        return TunnelKeys(self.hub, self.hub_public, self.branch, self.branch_public, self.preshared, self.made)


def read(*folders: Path) -> Parts:
    """What is in these folders; a file in an earlier one hides that of the same name in a later one.

    Raises:
        ProvisionError: a file may not be believed, or holds no key; or only the public half of the hub's is there.
    """
    hub, branch, preshared = (_private(folders, name) for name in (HUB_KEY, BRANCH_KEY, PRESHARED))
    hub_public, branch_public = (_public(folders, name) for name in (HUB_PUBLIC, BRANCH_PUBLIC))
    if hub is None and hub_public is not None:
        path = folders[-1] / HUB_KEY
        mend = f"put it back from a backup, or remove {folders[-1]} for new keys"
        raise ProvisionError(f"{path} is missing, and its public half is there", mend)
    return Parts(hub, hub_public, branch, branch_public, preshared, made_in(*folders))


def _private(folders: tuple[Path, ...], name: str) -> Secret | None:
    found = (read_key(folder / name, private=True) for folder in folders)
    return next((Secret(key) for key in found if key is not None), None)


def _public(folders: tuple[Path, ...], name: str) -> str | None:
    found = (read_key(folder / name, private=False) for folder in folders)
    return next((key for key in found if key is not None), None)


def made_in(*folders: Path) -> float | None:
    """When the keys in these folders were made: by `made`, else by the age of the hub's private key.

    Raises:
        ProvisionError: `made` may not be believed.
    """
    for folder in folders:
        with contextlib.suppress(ValueError):
            if text := read_text(folder / MADE, private=False):
                return datetime.fromisoformat(text).timestamp()
        with contextlib.suppress(OSError):
            return (folder / HUB_KEY).stat().st_mtime
    return None


def write(folder: Path, keys: TunnelKeys) -> None:
    """Write all of them; `made` comes last.

    Raises:
        ProvisionError: a file cannot be written; those before it are.
    """
    texts = {
        HUB_KEY: keys.hub.reveal(),
        HUB_PUBLIC: keys.hub_public,
        BRANCH_KEY: keys.branch.reveal() if keys.branch else None,
        BRANCH_PUBLIC: keys.branch_public,
        PRESHARED: keys.preshared.reveal() if keys.preshared else None,
        MADE: made_text(keys.made),
    }
    for name, text in texts.items():
        if text is not None:
            write_whole(folder / name, text + "\n", name_lasts=False)
    with writing(folder):
        sync_directory(folder)


def made_text(at: float) -> str:
    """An instant as the file `made` has it."""
    return datetime.fromtimestamp(round(at), UTC).isoformat()
