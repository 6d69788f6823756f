"""`pointsman rollback`: the configuration before the present one again."""

from __future__ import annotations

import argparse
from functools import partial

from hub.cli.apply import carried_out
from hub.cli.asking import add_question

_EPILOG = """\
examples:
  pointsman plan --rollback           what it would change
  pointsman rollback

It can be done once: then the files are the way on (pointsman plan, pointsman apply).

exit status: 0 done, 1 refused (nothing was changed), 2 usage, 3 no hub is running, 4 in force, but not all of it yet
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_question(
        commands,
        "rollback",
        brief="go back to the configuration before the present one",
        description="Goes back to the configuration that was in force before the present one, as carefully as apply "
        "does, whether the present one waits to be confirmed or not. No guard holds it up. The files are not changed.",
        epilog=_EPILOG,
    )
    busy = '"pointsman status" says whether it was done'
    parser.set_defaults(run=partial(carried_out, question={"ask": "rollback"}, busy=busy))
