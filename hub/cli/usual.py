"""`pointsman usual reset`: accept that a tunnel's path is another one, with another round trip."""

from __future__ import annotations

import argparse
import json

from hub.cli.durations import round_trip
from hub.cli.exit_status import DONE
from hub.cli.saying import add_saying, line, say, show_notes
from policies.lengths import spoken

_EXAMPLES = """\
  pointsman why bandung                  shows what is usual on each tunnel
  pointsman usual reset bandung/fiber    after the ISP has moved the line for good
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command, with its part."""
    parser = commands.add_parser(
        "usual",
        help="accept a new path: forget what round trip is usual on a tunnel",
        description="What is usual on a tunnel is the median of its round trip over the last 7 days, as shown by "
        '"pointsman why".',
        epilog=f"examples:\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    reset = add_saying(
        parts,
        "reset",
        brief="forget what is usual on a tunnel, and learn it anew",
        description="Forgets what round trip is usual on a tunnel, for a path that has changed for good: limits above "
        "what is usual would hold it for degraded for days. It is learnt anew; until there are 10 minutes of it only "
        "absolute limits count. A tunnel that is degraded is up again when it has kept all other limits of return.",
        examples=_EXAMPLES,
    )
    reset.add_argument("tunnel", metavar="TUNNEL", help="as bandung/fiber")
    reset.set_defaults(run=run_reset)


def run_reset(options: argparse.Namespace) -> int:
    """Forget it."""
    answer = say(options, {"ask": "usual-reset", "tunnel": options.tunnel})
    if isinstance(answer, int):
        return answer
    if options.json:
        print(json.dumps(answer, indent=2))
        return DONE
    was = (
        f"{round_trip(answer['was_ms'])}, over {spoken(answer['measured_for'])}"
        if answer["was_ms"]
        else "not known yet"
    )
    print(line("forgotten", f"the usual round trip of {answer['tunnel']} ({was}): a new one is learnt"))
    show_notes(options, answer)
    return DONE
