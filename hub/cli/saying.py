"""What the commands have in common by which an operator overrides the files: their options, and how they answer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from hub.cli.asking import add_question, asked
from hub.cli.exit_status import DONE
from policies.overrides.times import NoTimeError, read_duration, read_rate

PATIENCE_SECONDS = 10.0
"""How long the controller's disk may take to have it."""
EXIT_STATUS = "exit status: 0 done, 1 refused (nothing was changed), 2 usage, 3 no hub is running"
Report = dict[str, Any]


def add_saying(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    *,
    brief: str,
    description: str,
    examples: str,
    status: str = EXIT_STATUS,
) -> argparse.ArgumentParser:
    """Register a command, with its examples in the help."""
    epilog = f"examples:\n{examples}\n{status}\n"
    return add_question(commands, name, brief=brief, description=description, epilog=epilog)


def add_times(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """How long, or until when; returned so that another way to say the end may be added."""
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--for", dest="lasts", metavar="2h", type=duration_text, help="so long (30m, 2h, 7d)")
    ends.add_argument("--until", metavar="TIME", help='until 14:30 or "2026-11-22 14:30", in the hub\'s time zone')
    return ends


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Why."""
    parser.add_argument("--reason", metavar="TEXT", help="why, for whoever looks at it later")


def say(options: argparse.Namespace, question: Mapping[str, object]) -> Report | int:
    """The controller's answer, or the exit status after saying why there is none."""
    said = {key: value for key, value in question.items() if value is not None}
    busy = '"pointsman overrides" says whether it was taken all the same'
    return asked(options, said, PATIENCE_SECONDS, busy=busy)


def show_done(options: argparse.Namespace, question: Mapping[str, object], head: str) -> int:
    """Say it, and show what it did, a line each after this head."""
    answer = say(options, question)
    if isinstance(answer, int):
        return answer
    if options.json:
        print(json.dumps(answer, indent=2))
        return DONE
    from hub.cli.render_overrides import override_words

    for override in answer["overrides"]:
        print(line(head, override_words(override, answer["at"])))
    show_notes(options, answer)
    return DONE


def show_notes(options: argparse.Namespace, answer: Report) -> None:
    """What should be known beside it."""
    from hub.cli.same_hub import same_hub

    for note in answer["notes"]:
        print(line("note", same_hub(note, options)))


def line(head: str, text: str) -> str:
    """A line of progress: what, and how it went."""
    return f"{head:<10} {text}"


def duration_text(text: str) -> str:
    """The same, if it is a length of time."""
    try:
        read_duration(text)
    except NoTimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def duration_seconds(text: str) -> float:
    """A length of time, in seconds."""
    return read_duration(duration_text(text)).total_seconds()


def rate_text(text: str) -> str:
    """The same, if it is a rate, or the word for none."""
    if text == "all":
        return text
    try:
        read_rate(text)
    except NoTimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text
