"""Which configuration directory is meant."""

from __future__ import annotations

from pathlib import Path

from hub.control.places import SYSTEM_CONFIG


def find_directory(written: str | Path | None, present: Path) -> Path:
    """The directory that was named, else the present one if it holds network.yaml, else the system's."""
    if written is not None:
        return Path(written)
    return present if (present / "network.yaml").is_file() else SYSTEM_CONFIG
