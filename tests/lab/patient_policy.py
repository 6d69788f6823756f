"""A policy for tests that are not about health: on a busy machine packets wait, and no line is to blame for it."""

from __future__ import annotations

import shutil
from pathlib import Path

_PATIENT = Path(__file__).parents[1] / "kernel" / "configuration" / "policies" / "patient.yaml"


def judged_patiently(directory: Path) -> Path:
    """The same configuration directory, in which only what is bad for long degrades a tunnel."""
    (directory / "policies").mkdir(exist_ok=True)
    shutil.copy(_PATIENT, directory / "policies")
    network = directory / "network.yaml"
    network.write_text(f"{network.read_text()}\npolicy: {_PATIENT.stem}\n")
    return directory
