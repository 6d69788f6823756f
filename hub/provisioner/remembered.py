"""What the provisioner was told last, in a file of its own: after a boot it is made again before anybody asks."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hub.control.plain import NotPlainError, from_plain, to_plain
from hub.provisioner.wanted import Wanted


class Remembered:
    """A Remembered is what is wanted, None where nobody has said so yet. There is nothing secret in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.wanted: Wanted | None = None

    def read(self) -> str | None:
        """Read the file; what is wrong with it, and then nothing is known until somebody says it again."""
        try:
            self.wanted = from_plain(Wanted, json.loads(self._file.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, NotPlainError) as error:
            return f"{self._file}: {error}: what is there stays; the controller says anew what is wanted"
        return None

    def keep(self, wanted: Wanted) -> str | None:
        """Take it, and write it down; why it could not be written, by which only a boot would lose it."""
        self.wanted = wanted
        fresh = self._file.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
                json.dump(to_plain(wanted), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)
        except OSError as error:
            return f"{self._file}: {error.strerror}: make room there, or make it writable; until then a boot forgets"
        return None
