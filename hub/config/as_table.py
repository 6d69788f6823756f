"""The table of AS numbers that an operator gives: lines of `prefix AS-number name`, the name optional."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from hub.config.load import read_text
from hub.config.problems import Place, Problem, error
from hub.config.survey import Survey
from policies.model.as_numbers import NO_AS_NUMBERS, AsNumbers
from policies.model.ids import Prefix

LARGEST_NUMBER = 4_294_967_294
"""The last one that may be used (RFC 7300)."""
MOST_PROBLEMS = 10
"""Wrong lines that are named; a file of another kind has as many as lines."""
_COMMENTS = ("#", ";")
_EXAMPLE = "write a line like   203.0.113.0/24 64500 Example"
_NOT_THERE = "network.yaml names it (shared-fate: as-numbers): put the table there, or take the key out"


@dataclass
class _Table:
    prefixes: dict[Prefix, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


def as_numbers_of(looked: Survey) -> tuple[AsNumbers, tuple[Problem, ...]]:
    """The table that network.yaml names, and all that is wrong with it."""
    if looked.network is None or looked.network.shared_fate.as_numbers is None:
        return NO_AS_NUMBERS, ()
    return read_as_numbers(looked.sources.directory, looked.network.shared_fate.as_numbers)


def read_as_numbers(directory: Path, file: str) -> tuple[AsNumbers, tuple[Problem, ...]]:
    """The table in a file of the directory, and all that is wrong with it; of many wrong lines the first."""
    text, problems = read_text(directory, file, _NOT_THERE)
    if text is None:
        return NO_AS_NUMBERS, problems
    table, found = _Table(), list[Problem]()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith(_COMMENTS):
            continue
        if (wrong := _take(table, words)) is not None:
            found.append(error(Place(file, number, 1), *wrong))
    if len(found) > MOST_PROBLEMS:
        rest = error(Place(file), f"{len(found) - MOST_PROBLEMS} more lines are wrong", _EXAMPLE)
        return NO_AS_NUMBERS, (*found[:MOST_PROBLEMS], rest)
    if not table.prefixes and not found:
        found.append(error(Place(file), "has no prefix", _EXAMPLE))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return AsNumbers.of(table.prefixes.items(), table.names, digest), tuple(found)


def _take(table: _Table, words: list[str]) -> tuple[str, str] | None:
    """Add a line; what is wrong with it, and the mend, if it cannot be."""
    try:
        prefix = ip_network(words[0])
    except ValueError:
        return _no_prefix(words[0]), _EXAMPLE
    if "/" not in words[0]:
        return f"{words[0]} has no prefix length", _EXAMPLE  # pfx2as of CAIDA has it in a column of its own
    number = _number(words[1]) if len(words) > 1 else None
    if number is None:
        said = f'"{words[1][:40]}" is no AS number' if len(words) > 1 else f"{prefix} has no AS number"
        return said, f"write a number from 1 to {LARGEST_NUMBER} behind the prefix"
    if prefix.prefixlen == 0:
        return f"{prefix} is the whole internet: all tunnels would be of one AS", "remove the line"
    known = table.prefixes.setdefault(prefix, number)
    if known != number:
        return f"{prefix} is also of AS{known} in this file", "leave the line of who announces it"
    if len(words) > 2:
        table.names.setdefault(number, words[2].strip())
    return None


def _no_prefix(word: str) -> str:
    """What is wrong with it. Only an address is repeated: whoever asks the controller may name a file of secrets."""
    try:
        return f"{ip_network(word, strict=False)} is meant, and {word} has host bits set"
    except ValueError:
        return "does not begin with a prefix"


def _number(text: str) -> int | None:
    digits = text.upper().removeprefix("AS")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10):
        return None
    return int(digits) if 1 <= int(digits) <= LARGEST_NUMBER else None
