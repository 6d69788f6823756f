"""What the provisioner was told last, in a file of its own: after a boot it is made again before anybody asks."""

from __future__ import annotations

import json
from pathlib import Path

from hub.control.plain import NotPlainError, from_plain, to_plain
from hub.provisioner.changes import ProvisionError
from hub.provisioner.checked import checked
from hub.provisioner.ownership import is_ours, write_ours
from hub.provisioner.wanted import Wanted


class Remembered:
    """A Remembered is what is wanted, None where nobody has said so yet. There is nothing secret in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.wanted: Wanted | None = None

    def read(self) -> str | None:
        """Read the file; what is wrong with it, and then nothing is known until somebody says it again."""
        try:
            if not is_ours(self._file):
                return f"{self._file} is not ours alone to write: what is there stays; delete it, and apply again"
            self.wanted = checked(from_plain(Wanted, json.loads(self._file.read_text())))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, NotPlainError, ProvisionError) as error:
            return f"{self._file}: {error}: what is there stays; the controller says anew what is wanted"
        return None

    def keep(self, wanted: Wanted) -> str | None:
        """Take it, and write it down; why it could not be written, by which only a boot would lose it."""
        self.wanted = wanted
        try:
            write_ours(self._file, json.dumps(to_plain(wanted), indent=1), mode=0o640, lasts=True)
        except OSError as error:
            return f"{self._file}: {error.strerror}: make room there, or make it writable; until then a boot forgets"
        return None
