"""How prefixes are put into lines for ExaBGP: few enough for each line, and only what belongs together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.model.announcement import Announcement
from policies.model.ids import Prefix
from speaker.bgp.text import LONGEST_LINE_PREFIXES, Announce, Command, Withdraw


def prefixes_of(command: Command) -> tuple[Prefix, ...]:
    """The prefixes that a command changes."""
    return command.prefixes if isinstance(command, Announce | Withdraw) else ()


def announced_together(
    prefixes: list[Prefix], wanted: Mapping[Prefix, Announcement]
) -> Iterator[tuple[Announcement, tuple[Prefix, ...]]]:
    """The prefixes in their order, those in a row of one IP version and announcement together."""
    run: list[Prefix] = []
    for prefix in prefixes:
        alike = not run or (wanted[prefix] == wanted[run[0]] and prefix.version == run[0].version)
        if run and (not alike or len(run) == LONGEST_LINE_PREFIXES):
            yield wanted[run[0]], tuple(run)
            run = []
        run.append(prefix)
    if run:
        yield wanted[run[0]], tuple(run)


def withdrawn_together(prefixes: list[Prefix]) -> Iterator[tuple[Prefix, ...]]:
    """The prefixes by IP version, as many in each part as a line takes."""
    for version in (4, 6):
        same = [prefix for prefix in prefixes if prefix.version == version]
        for start in range(0, len(same), LONGEST_LINE_PREFIXES):
            yield tuple(same[start : start + LONGEST_LINE_PREFIXES])
