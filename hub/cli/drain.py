"""`pointsman drain`: take tunnels out of service without losing a packet, and say when it is safe to work on them."""

from __future__ import annotations

import argparse
import json
import time

from hub.cli.exit_status import DONE
from hub.cli.saying import (
    Report,
    add_reason,
    add_saying,
    add_times,
    duration_seconds,
    duration_text,
    line,
    rate_text,
    say,
    show_notes,
)

_EXAMPLES = """\
  pointsman drain bandung/fiber --for 2h --reason "Telkom splice, ticket 4411"
  pointsman drain isp:telkom --at 23:00 --until 05:00 --rate 5/min
  pointsman drain hub:hq/telkom --no-wait
  pointsman drain bandung/fiber --extend 1h
  pointsman drain 5                      wait for drain 5, made before, to be idle
"""
_STATUS = """\
exit status: 0 safe to work on (or scheduled, or not waited for), 1 refused (nothing was changed), 2 usage,
3 no hub is running, 4 in force, but not seen to be idle in time"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = add_saying(
        commands,
        "drain",
        brief="take tunnels out of service without losing a packet",
        description="Moves traffic off what is drained, make before break, waits until it is idle in both directions, "
        "and then says that it is safe to work on. TARGET is bandung/fiber, bandung, isp:telkom, hub:hq/telkom or "
        "hub:hq; the number of a drain waits for that one.",
        examples=_EXAMPLES,
        status=_STATUS,
    )
    parser.add_argument("target", metavar="TARGET", help="what to drain")
    ends = add_times(parser)
    ends.add_argument("--extend", metavar="1h", type=duration_text, help="let a drain that there is end so much later")
    parser.add_argument("--at", metavar="TIME", help="begin then, and not now")
    parser.add_argument(
        "--rate",
        metavar="N/min",
        type=rate_text,
        help="so many branches a minute, one after the other by name; or all (default: 60/min of an ISP or of the hub)",
    )
    add_reason(parser)
    parser.add_argument("--force", action="store_true", help="although it isolates a branch; needs --reason")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it is idle")
    parser.add_argument(
        "--timeout", metavar="60s", type=duration_seconds, help="how long to wait (default: 60s after its last branch)"
    )
    parser.set_defaults(run=lambda options: run(options, parser))


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Drain, and wait until it is safe to work."""
    if options.force and not options.reason:
        parser.error("--force needs --reason: whoever finds a branch cut off must be able to read why")
    if options.extend is not None:
        if any((options.at, options.rate, options.no_wait, options.timeout)):
            parser.error("--extend changes when a drain ends, with --reason why, and nothing else")
        return _extend(options)
    if options.target.isdigit() and not any(
        (options.lasts, options.until, options.at, options.rate, options.reason, options.force)
    ):
        return _wait(options, {"number": int(options.target), "target": options.target}, [], time.monotonic())
    begun = time.monotonic()
    question = {
        "ask": "drain",
        "target": options.target,
        "for": options.lasts,
        "until": options.until,
        "at": options.at,
        "rate": options.rate,
        "reason": options.reason,
        "force": options.force,
    }
    answer = say(options, question)
    return answer if isinstance(answer, int) else _accepted(options, answer, begun)


def _extend(options: argparse.Namespace) -> int:
    question = {
        "ask": "drain",
        "target": options.target,
        "extend": options.extend,
        "reason": options.reason,
        "force": options.force,
    }
    answer = say(options, question)
    return answer if isinstance(answer, int) else _show(options, answer, "extended")


def _accepted(options: argparse.Namespace, answer: Report, begun: float) -> int:
    drain = answer["overrides"][0]
    if drain["state"] == "scheduled" or options.no_wait:
        return _show(options, answer, drain["state"] if drain["state"] == "scheduled" else "accepted")
    if not options.json:
        show_notes(options, answer)
    return _wait(options, drain, answer["carried"], begun)


def _show(options: argparse.Namespace, answer: Report, head: str) -> int:
    if options.json:
        print(json.dumps(answer, indent=2))
        return DONE
    from hub.cli.durations import day_and_time
    from hub.cli.render_overrides import named

    drain = answer["overrides"][0]
    begins = f" from {day_and_time(drain['begins'], answer['at'])}" if drain["state"] == "scheduled" else ""
    until = f" until {day_and_time(drain['until'], answer['at'])}" if drain["until"] else ""
    print(line(head, f"{named(drain)}{begins}{until} ({answer['zone']})"))
    show_notes(options, answer)
    return DONE


def _wait(options: argparse.Namespace, drain: Report, carried: list[str], begun: float) -> int:
    from hub.cli.drain_wait import Steps, wait
    from hub.cli.same_hub import same_hub

    steps = Steps(carried, options.json, begun, said=lambda text: same_hub(text, options))
    return wait(options, drain, steps, options.timeout)
