"""What scripts said last, and the code that said it, kept over a restart of the controller.

Without it a restarted controller would move branches back to where their policy alone would have them, and forth again
when the scripts answer; and a file that is being edited at that moment would leave a branch without its script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hub.scripts.lines import RefusedError, adjustment_json, read_adjustment
from policies.scripts.api import Adjustment

VERSION = 1
LARGEST_FILE = 16 << 20
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A Remembered is the last code of a script that could be loaded, and its last good adjustments by branch."""

    text: str
    adjustments: Mapping[str, Adjustment | None] = field(default_factory=dict)


def read_memory(file: Path) -> dict[str, Remembered]:
    """What was kept, by script. A file that is not there, or holds anything else, holds nothing."""
    try:
        with file.open("rb") as opened:
            said = json.loads(opened.read(LARGEST_FILE))
        if not isinstance(said, dict) or said.get("version") != VERSION:
            return {}
        return {str(name): _remembered(script) for name, script in dict(said["scripts"]).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _remembered(said: dict[str, object]) -> Remembered:
    text, adjustments = said["text"], said["adjustments"]
    if not isinstance(text, str) or not isinstance(adjustments, dict):
        raise RefusedError("the memory of a script is of another shape")
    return Remembered(text, {str(branch): read_adjustment(one) for branch, one in adjustments.items()})


def memory_text(scripts: Mapping[str, Remembered]) -> str:
    """The file's content."""
    told = {
        name: {"text": one.text, "adjustments": {b: adjustment_json(a) for b, a in one.adjustments.items()}}
        for name, one in scripts.items()
    }
    return json.dumps({"version": VERSION, "scripts": told})


def write_memory(file: Path, text: str) -> None:
    """Replace the file.

    Raises:
        OSError: the directory cannot be written; what was there stays.
    """
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)
