"""Running a script here and now, in this process: for its tests."""

from __future__ import annotations

from pathlib import Path

from hub.scripts.code import FailedError, Script, UnusableError
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation


class ScriptError(Exception):
    """The script cannot be loaded, raised, or returned nonsense; the text has file, line and what is wrong."""


def run_script(file: Path, branch: BranchSituation, network: NetworkSituation) -> Adjustment | None:
    """What the script in this file says in this situation.

    Nothing holds it here: it runs with all that the caller may do, and for as long as it likes.

    Raises:
        ScriptError: it cannot be loaded, raised, or returned nonsense.
        OSError: the file cannot be read.
    """
    try:
        script = Script(str(file), file.read_text(encoding="utf-8"))
        return script.adjust(branch, network)
    except UnusableError as error:
        slip = error.slips[0]
        raise ScriptError(f"{file}:{slip.line}:{slip.column}: {slip.text}; mend: {slip.mend}") from None
    except FailedError as error:
        raise ScriptError(f"{file}:{error.line}: {error.text}" if error.line else f"{file}: {error.text}") from None
