"""The operator's own code in a configuration directory, by its text: an edit of it is a change like any other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from hub.config.applied import check_files_of
from policies.model.intent import Intent

_DIGITS = 16


def programs_of(directory: Path, intent: Intent) -> Mapping[str, str]:
    """A digest of each script that a policy of a branch names, and of each file below `checks/`, by path.

    Whether a file can be executed is part of it. Of one that cannot be read now it is "unreadable".
    """
    scripts = {branch.policy.script for branch in intent.branches.values() if branch.policy.script is not None}
    files = [*(directory / "policies" / name for name in scripts), *check_files_of(directory)]
    return MappingProxyType({file.relative_to(directory).as_posix(): _digest(file) for file in sorted(files)})


def _digest(file: Path) -> str:
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGITS]
    except OSError:
        return "unreadable"
    return f"{found} executable" if os.access(file, os.X_OK) else found
