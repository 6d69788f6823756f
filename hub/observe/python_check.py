"""The process of one custom check in Python: `python -m hub.observe.python_check FILE [ARGUMENT…]`.

It ends as any program that checks: exit status 0, 1 or 3 (fine, not fine, not known), one line on standard output.
What the check prints goes to standard error.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from hub.observe.custom import Context, Result, from_environment

_STATUS = {True: 0, False: 1, None: 3}
_LONGEST = 500


def main(arguments: Sequence[str]) -> int:
    """Run the check of a file; its exit status."""
    answers = os.dup(1)
    os.dup2(2, 1)
    result = outcome(arguments[0], from_environment(os.environ, tuple(arguments[1:])))
    os.write(answers, result.text.encode(errors="replace")[:_LONGEST] + b"\n")
    return _STATUS[result.ok]


def outcome(file: str, context: Context) -> Result:
    """What the check says; that it raised or returned nonsense is not known to be anything else."""
    try:
        check = runpy.run_path(file, run_name="check").get("check")
        if not callable(check):
            return Result(None, "there is no function check(context) in it")
        said = check(context)
    except BaseException as error:  # noqa: BLE001 - also SystemExit and KeyboardInterrupt are the check's own
        return Result(None, f"{type(error).__name__}: {error}")
    if isinstance(said, bool):
        return Result(said)
    if not isinstance(said, Result) or said.ok not in (True, False, None):
        return Result(None, f"it returned {said!r:.60}, which is no Result")
    return Result(said.ok, str(said.text))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    # Threads and exit handlers of the check are not waited for.
    os._exit(status)
